// A Host that obeys interrupts, counts what is changed and injects faults.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "host/ports.h"

namespace gpuplan {

enum class FaultEffect {
  fail,  // the call fails without having done anything
  hang,  // the call does nothing and never returns: it ends as timed out after its limit
  kill,  // the process dies (SIGKILL) before the call does anything
  power_cut,  // the same, and the journal loses what was written and not synced
  disk_full, io_error, read_only,  // of the disk that the journal is on, see DiskFaults
};

// Where a fault strikes: the n-th mutating host call of the process, the n-th journal write, the n-th call of a step
// kind during a run, the n-th write, truncation or sync of the journal's files, or the first mutating call of a stage
// of one resource (of the stage itself if it makes none).
struct Fault {
  FaultEffect effect = FaultEffect::fail;
  std::int64_t call = 0;           // 1, 2, …; 0: not this
  std::int64_t journal_write = 0;  // likewise
  std::int64_t plugin_call = 0;    // likewise
  std::int64_t disk_write = 0;     // likewise
  std::string address;             // empty: not this
};

// "vfio-bind/0000:0a:00.0:fail", "call:17:kill", "journal:3:power-cut", "plugin:5:fail", "disk:40:full". Nothing if
// malformed, or if the place has no such effect: a disk power-cut, full, io-error and read-only, a call of a step kind
// fail, kill and power-cut, and all other places fail, hang, kill and power-cut.
std::optional<Fault> parse_fault(const std::string& text);

// Wraps a Host. Before every mutating call: throws Interrupted if the run is interrupted, counts the
// call, and lets a fault strike. Reads pass straight through. Thread-safe.
class GuardedHost {
 public:
  // `host` must outlive this object. hang faults sleep on the host's clock.
  GuardedHost(Host& host, std::vector<Fault> faults);
  ~GuardedHost();

  // The Host to hand to a stage of the resource `address`: a view that outlives the stage only.
  std::unique_ptr<Host> for_resource(const std::string& address);
  // Called when a stage has ended: a fault on its address that met no mutating call strikes now.
  void stage_ends(const std::string& address);
  // Called when a step kind has returned from `entry_point` ("capture", "apply", …) during a run: a fault that fails
  // makes it fail with all its work done, for failing before any is what a fault of its first host call does.
  void plugin_call_ends(std::string_view entry_point, const std::string& address);
  HostReader& reader() { return host_; }
  // Faults that found no place to strike, as they were written.
  std::vector<std::string> unstruck_faults() const;
  std::int64_t mutating_calls() const { return calls_.load(); }
  std::int64_t journal_writes() const { return journal_writes_.load(); }
  std::int64_t plugin_calls() const { return plugin_calls_.load(); }
  // To be called before each journal write; matches Journal::WriteHook. A fault that fails or hangs
  // throws HostError, which the journal words as its own.
  void before_journal_write(std::int64_t number);
  // `listener` hears of each mutating call before it is made, on its thread, with the time that it may take.
  void on_call(std::function<void(std::chrono::seconds)> listener) { listener_ = std::move(listener); }
  // While true (rollback's own wish: finish although interrupted), interrupts do not throw.
  void ignore_interrupts(bool on) { ignore_interrupts_ = on; }

 private:
  friend class CallGuard;
  // One mutating call, in words: `what` follows "cannot", `subject` is what HostError::subject() says.
  struct Call {
    std::string what;
    std::string subject;
    std::chrono::seconds limit;
    bool of_journal = false;
  };
  void before_call(const std::string& address, const Call& call);
  // Each fault strikes once in a process.
  bool claim(std::size_t fault);
  void strike(FaultEffect effect, const Call& call);

  Host& host_;
  std::function<void(std::chrono::seconds)> listener_;
  std::vector<Fault> faults_;
  std::unique_ptr<std::atomic<bool>[]> struck_;
  std::atomic<std::int64_t> calls_{0};
  std::atomic<std::int64_t> journal_writes_{0};
  std::atomic<std::int64_t> plugin_calls_{0};
  std::atomic<bool> ignore_interrupts_{false};
};

}  // namespace gpuplan
