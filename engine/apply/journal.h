// What must survive a crash, in one SQLite database per cluster. The only user of SQLite.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "host/guard/disk_faults.h"
#include "plan/owned.h"
#include "plan/plan.h"

namespace gpuplan {

// A journal that cannot be opened, read or written. what() is one whole sentence with the path, the
// reason in words and what to do.
class JournalError : public std::runtime_error {
 public:
  explicit JournalError(const std::string& sentence, bool may_be_shown = false)
      : std::runtime_error(sentence), may_be_shown_(may_be_shown) {}
  // True of a journal that must not be acted upon, but may be looked at with Journal::open_refused(): it is damaged, of
  // another gpuplan, cluster or user, others can write it, or a file of undo data is not as it was.
  bool may_be_shown() const { return may_be_shown_; }

 private:
  bool may_be_shown_;
};

enum class RunStatus { running, succeeded, failed, interrupted, rolled_back, reboot_required };
std::string_view to_string(RunStatus status);

// The end of one resource in a run.
enum class ResourceState {
  pending, unchanged, created, updated, replaced, removed, failed, skipped, interrupted, undone,
};
std::string_view to_string(ResourceState state);

struct RunRecord {
  std::int64_t id = 0;          // 1, 2, 3, …
  std::string command;          // "apply", "destroy", "rollback"
  std::string argv;             // the command line, for people
  std::string spec_name;
  std::string spec_sha256;
  std::string spec_text;        // whole, so that rollback can read timeouts and paths of that time
  std::string host_identity;
  std::string host_description;
  std::int64_t pid = 0;
  std::int64_t started = 0;     // seconds since 1970, UTC, of this machine
  std::int64_t finished = 0;    // 0: never
  RunStatus status = RunStatus::running;
  bool commit_begun = false;    // the commit phase was entered: rollback can no longer restore
};

struct ChangeRecord {
  std::int64_t run = 0;
  std::size_t index = 0;        // position in the plan
  Change change;                // without source locations
  ResourceState state = ResourceState::pending;
  std::string error;            // of a failed one
  Json captured;                // null until captured
};

enum class StageStatus { planned, begun, done, failed, undo_begun, undone, undo_failed };
std::string_view to_string(StageStatus status);

struct StageRecord {
  std::int64_t run = 0;
  std::size_t index = 0;        // position in Plan::stages
  PlannedStage stage;
  StageStatus status = StageStatus::planned;
  std::int64_t begun = 0, ended = 0;
};

// A connection to one cluster's journal. Thread-safe. Every function that writes returns when the
// record is durable (write-ahead log, synchronous=FULL); concurrent writes share one fsync. All may
// throw JournalError.
class Journal {
 public:
  // Called before each write with its number, counting from 1 in this process: for fault injection.
  using WriteHook = std::function<void(std::int64_t)>;

  // Opens or creates `path` (mode 0600; the directory must exist, and nobody else may make one there now: see RunLock).
  // Refuses a database of a newer version, of another cluster, one that is not ours, an empty file, a symlink, one writable
  // by others. With a `disk` the journal's files are on a FaultyDisk: for rehearsals on simulated hosts.
  static std::unique_ptr<Journal> open(const std::string& path, const std::string& cluster, WriteHook hook = {},
                                       DiskHook disk = {});
  // Opens an existing journal for reading only; a null pointer if there is none. Writing functions throw.
  static std::unique_ptr<Journal> open_read_only(const std::string& path, const std::string& cluster);
  // Opens a journal that the others refuse, to read what can be read: runs(), run(), changes(), stages() and owned() leave
  // out what cannot and add a sentence about it to `losses`, which must outlive the result. What they return may be wrong
  // and incomplete: it is to look at. Writing functions throw. Throws JournalError for a symlink, for what is no file, and
  // for one that cannot be opened.
  static std::unique_ptr<Journal> open_refused(const std::string& path, std::vector<std::string>& losses);

  virtual ~Journal() = default;

  virtual std::vector<RunRecord> runs() = 0;  // oldest first
  virtual std::optional<RunRecord> run(std::int64_t id) = 0;
  virtual std::vector<ChangeRecord> changes(std::int64_t run) = 0;  // in plan order
  virtual std::vector<StageRecord> stages(std::int64_t run) = 0;    // in plan order
  virtual std::vector<OwnedResource> owned() = 0;                   // ordered by address

  // Records a run with all its changes and stages as planned; returns its id.
  virtual std::int64_t begin_run(const RunRecord& run, const Plan& plan) = 0;
  // The undo data of a change, and with it (for a create) that gpuplan owns the resource, not yet
  // complete. An owned resource keeps the origin it has.
  virtual void captured(std::int64_t run, std::size_t change, const Json& data) = 0;
  virtual void stage_begins(std::int64_t run, std::size_t stage) = 0;
  // The first stage of the commit phase begins: sets RunRecord::commit_begun as well.
  virtual void commit_stage_begins(std::int64_t run, std::size_t stage) = 0;
  virtual void stage_ends(std::int64_t run, std::size_t stage, StageStatus status) = 0;
  // The end of a resource. created, updated, replaced: owned, complete, declared as planned. removed:
  // owned no more. unchanged: an owned resource becomes complete with the new declaration.
  virtual void change_ends(std::int64_t run, std::size_t change, ResourceState state, const std::string& error) = 0;
  virtual void run_ends(std::int64_t run, RunStatus status) = 0;

  // Several of these in one write, for what comes at the same moment: captured() with the beginning of the
  // change's first stage, the end of its last stage with change_ends(), and change_ends() of many.
  virtual void change_begins(std::int64_t run, std::size_t change, const Json& data, std::size_t stage,
                             bool commit_phase) = 0;
  virtual void change_done(std::int64_t run, std::size_t change, ResourceState state, std::size_t stage) = 0;
  virtual void changes_end(std::int64_t run, const std::map<std::size_t, ResourceState>& states) = 0;

  // Rollback. The change is undone as a whole: its state becomes undone, and ownership what it was
  // before that run (not owned if the run created it).
  virtual void change_undone(std::int64_t run, std::size_t change) = 0;
  // Begins the record of a rollback; its own run has no changes.
  virtual std::int64_t begin_rollback(const RunRecord& run) = 0;
  // Every change of the run is undone. Ownership is what it was before it, also of resources that it
  // found unchanged, except where a later run stands. Of several runs, the newest first.
  virtual void run_rolled_back(std::int64_t run) = 0;
};

}  // namespace gpuplan
