// Carries out a Plan.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "apply/journal.h"
#include "apply/run_events.h"
#include "host/guard/guarded_host.h"
#include "plan/call_watch.h"
#include "plan/plan.h"
#include "plan/step_kinds.h"

namespace gpuplan {

struct ExecutorOptions {
  std::size_t parallelism = 10;
  CallWatch* watch = nullptr;  // of calls into plugins; may be null
  std::string node_log_directory;  // see NodeLogs; may be empty
};

struct ResourceOutcome {
  Address address;
  ResourceState state = ResourceState::pending;
  std::string error;         // of a failed one: what, where, why
  std::string output_tail;   // of a failed one: the last lines of the command that failed
};

struct RunOutcome {
  std::int64_t run = 0;
  RunStatus status = RunStatus::succeeded;
  bool commit_begun = false;
  std::vector<ResourceOutcome> resources;  // in plan order, one per change
};

// Runs the stages of `plan` in dependency order, ready ones in parallel, recording each in
// `journal` before it starts. Observes each resource again just before touching it and fails it if
// it is not as planned. A failed stage skips what depends on it. Returns when nothing runs any more.
// Throws JournalError (nothing more is started then); host and plugin failures are outcomes.
RunOutcome execute(const Plan& plan, const Spec& spec, const RunRecord& run, const StepKinds& kinds,
                   GuardedHost& host, Journal& journal, RunEvents& events, const ExecutorOptions& options);

}  // namespace gpuplan
