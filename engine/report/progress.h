// What runs right now, shown while it runs.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <iosfwd>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace gpuplan {

// "0.4 s", "12.0 s", "2m 05s", "1h 02m".
std::string format_duration(double seconds);
// The same for whole seconds: "12 s", "2m 05s", "1h 02m".
std::string format_whole_duration(std::int64_t seconds);

// Shows running work. Live: a block of lines at the bottom of a terminal that is redrawn in place.
// Otherwise: a permanent line now and then about what takes long. Thread-safe.
class Progress {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;
  struct Style {
    bool live = false;
    std::size_t width = 80;                    // of the terminal, in characters; for live only
    std::size_t max_lines = 12;                // of the block; for live only
    std::chrono::seconds reminder{30};         // between two lines about the same work; for plain only
    bool own_thread = true;                    // tick by itself; tests call tick() instead
    std::function<TimePoint()> now;            // empty: the steady clock
  };

  Progress(std::ostream& out, Style style);
  ~Progress();  // takes the block away
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  bool live() const { return style_.live; }
  // A permanent piece of text, above the block; a newline is added if it lacks one.
  void print(const std::string& text);
  void set_total(std::size_t total);
  // Work is known by its label, which must not run twice at a time.
  void start(const std::string& label);
  void detail(const std::string& label, const std::string& text);
  // Returns how long it ran, in seconds; 0 if it never started.
  double finish(const std::string& label);
  // Brings the display up to date.
  void tick();

 private:
  struct Work {
    std::string label;
    std::string detail;
    TimePoint started;
    TimePoint mentioned;
  };

  TimePoint now() const;
  void erase_block();
  void draw_block();
  void remind();
  std::string block_line(const Work& work) const;
  void run_thread();

  std::ostream& out_;
  Style style_;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false;
  std::vector<Work> works_;
  std::size_t total_ = 0;
  std::size_t finished_ = 0;
  TimePoint began_;
  std::size_t drawn_lines_ = 0;
  std::thread thread_;
};

}  // namespace gpuplan
