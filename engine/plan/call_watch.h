// Notices calls into plugins that do not come back.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <list>
#include <mutex>
#include <string>
#include <thread>

#include "report/diagnostic.h"

namespace gpuplan {

// Code of a module runs in gpuplan's process, and nothing can stop it there. What remains is to say who
// does not come back, and how to get out. Each call is told of when it has been silent for too long, and
// again if it still runs a while after an interrupt. Thread-safe.
class CallWatch {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;
  struct Style {
    std::chrono::seconds silence{30};         // that nobody is told of
    std::chrono::seconds after_interrupt{2};  // in which a call may come back by itself
    bool own_thread = true;                   // tick by itself; tests call tick() instead
    std::function<TimePoint()> now;           // empty: the steady clock
  };

  // `tell` gets a note for the user, from any thread, one at a time.
  CallWatch(std::function<void(const Diagnostic&)> tell, Style style);
  explicit CallWatch(std::function<void(const Diagnostic&)> tell);
  ~CallWatch();
  CallWatch(const CallWatch&) = delete;
  CallWatch& operator=(const CallWatch&) = delete;

  // A call that this thread makes: watched from the construction of this object to its end.
  class Scope {
   public:
    // `call` in words: "observe() of `motd`". `watch` may be a null pointer: nobody watches.
    Scope(CallWatch* watch, std::string call, std::string module, std::string address);
    ~Scope();
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

   private:
    friend class CallWatch;
    CallWatch* const watch_;
    Scope* const outer_;
    const std::string call_;
    const std::string module_;
    const std::string address_;
    TimePoint started_;
    TimePoint silent_until_;
    bool told_silence_ = false;
    bool told_interrupt_ = false;
  };

  // The call of this thread gives a sign of life, and may be silent for `limit` from now on if that is
  // more than usual. Does nothing outside a call.
  static void sign_of_life(std::chrono::seconds limit = std::chrono::seconds(0));
  // Tells of what is due.
  void tick();

 private:
  TimePoint now() const;
  void run_thread();
  void tell_of(Scope& scope, TimePoint time, bool interrupted);

  const std::function<void(const Diagnostic&)> tell_;
  const Style style_;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false;
  std::list<Scope*> calls_;
  TimePoint interrupted_since_{};
  std::thread thread_;  // started by the first call
};

}  // namespace gpuplan
