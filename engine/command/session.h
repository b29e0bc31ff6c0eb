// What a verb works with: plugins, host, lock and journal, opened as the verb needs them.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "apply/journal.h"
#include "apply/run_lock.h"
#include "command/console.h"
#include "command/options.h"
#include "command/failure.h"
#include "command/state_dir.h"
#include "host/guard/disk_faults.h"
#include "host/guard/guarded_host.h"
#include "host/open/open_host.h"
#include "plan/call_watch.h"
#include "plan/planner.h"
#include "plan/step_kinds.h"
#include "spec/spec.h"

namespace gpuplan::command {

// One execution of one verb. Every function throws Failure, with the exit code that fits.
struct Session {
  Session(const Options& the_options, Console& the_console)
      : options(the_options), console(the_console), state(the_options.state_dir), selection(the_options.selection),
        watch([this](const Diagnostic& note) { console.show_aside(note); }) {}

  const Options& options;
  Console& console;
  StateDir state;
  Selection selection;               // of the options, or of a saved plan
  std::string cluster;
  StepKinds kinds;
  CallWatch watch;  // of calls into `kinds`
  OpenedHost host;
  std::unique_ptr<GuardedHost> guarded;
  std::unique_ptr<DiskFaults> disk;  // null unless faults concern it
  std::unique_ptr<RunLock> lock;
  std::unique_ptr<Journal> journal;  // null as long as the cluster has none
  std::string spec_path;             // of the spec that was read last; empty: none was
  std::string go_on;                 // of a saved plan: the verb and argument that go on with its run

  // Warns of each --fault that found no place to strike: silence would look like a rehearsal that passed.
  void warn_of_unstruck_faults();

  // The spec in options.arguments; its warnings are shown. Sets `cluster`.
  Spec read_spec();
  // The same for the spec at `path`.
  Spec read_spec(const std::string& path);
  // --cluster, or the only one there is. Sets `cluster`.
  void choose_cluster();
  // Refuses to say "there is none" where another user's state was looked at than the one in which root keeps its own.
  void require_own_state() const;
  void load_plugins();
  // Also refuses --fault on a server that is not simulated, and warns root there of a spec that others can write.
  void open_host(const std::string& libvirt_uri);
  // Completes a spec: the GPUs that it leaves to the host, the host keys of machines that it does not pin, addresses.
  void resolve(Spec& spec);

  // For verbs that only look: no lock, no directories. `journal` stays null if there is none.
  void read_journal();
  // Warns of a run that is going on, so that what is read now may change, or of one that has not ended well.
  void warn_of_open_run();
  // For verbs that write: makes the directories, takes the lock, opens the journal if there is one.
  void lock_cluster();
  // The journal of lock_cluster(), made now if there is none.
  Journal& writable_journal();

  std::vector<OwnedResource> owned();
  // The last run, if it neither succeeded nor was rolled back.
  std::optional<RunRecord> unfinished_run();
  // What completes and what undoes such a run: commands in a sentence without its full stop.
  std::string ways_to_end(const RunRecord& run) const;
  // Refuses a host other than the one that the journal is about.
  void require_same_host();
  // What the journal says about a run of ours that starts now.
  RunRecord record(const std::string& command) const;
  // "gpuplan VERB…" with the flags that make it mean this server and this state.
  std::string suggest(const std::string& words) const;
  PlannerOptions planner_options();
};

// What planning came to: the plan, or Failure or ChecksFailed. Warnings are shown.
Plan take_plan(Session& session, PlanningResult result);

// "gpuplan apply h100.yaml" and the like: what goes on with this run. A saved plan serves once, so for
// one it is the spec that it was made of.
std::string go_on_command(const Session& session);

// The spec of the cluster's last run that kept one; nothing if none did or it can be read no more.
std::optional<Spec> last_spec(Journal& journal);
// What to say where last_spec() found none.
Failure no_kept_spec(Session& session);

// "2025-11-24 06:25:10 UTC".
std::string format_time(std::int64_t seconds);
// "pid 4242 on gpu01 (gpuplan apply h100.yaml) since …".
std::string describe(const LockHolder& holder);

}  // namespace gpuplan::command
