// Undoes failed runs, and proves it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "apply/executor.h"

namespace gpuplan {

// What a rollback would undo.
struct RollbackPlan {
  std::vector<std::int64_t> runs;      // newest first
  struct Step {
    std::int64_t run = 0;
    std::size_t stage = 0;             // index in that run's stages
    std::size_t change = 0;
    std::vector<std::size_t> after;    // indexes into steps
  };
  std::vector<Step> steps;             // in an order in which each may run
  std::vector<ChangeRecord> changes;   // every change that any of the runs touched, newest run first
  std::string refusal;                 // why it cannot be done; empty if it can
  // What can be done instead: a sentence with {} in the place of a gpuplan command, the words of that command, and the
  // spec that it takes, if any.
  std::string way_on;
  std::string way_on_words;
  std::string way_on_spec;
};

// All runs since the last successful one, as one chain; or `run` alone, which is refused if a later
// run touched one of its resources.
RollbackPlan plan_rollback(Journal& journal, std::optional<std::int64_t> run, const std::string& host_identity);

// One resource whose state after a rollback is not what it was before the runs.
struct RollbackDifference {
  Address address;
  std::string attribute;  // "exists" for the resource itself
  std::string before;     // then
  std::string now;
};

struct RollbackOutcome {
  RunOutcome run;
  std::int64_t oldest_run = 0;            // the state restored is that from before this run
  std::size_t verified = 0;               // resources compared
  std::vector<RollbackDifference> differences;
};

// Undoes `plan` on `host`, journals it, observes again and compares. Can be repeated after a crash.
RollbackOutcome roll_back(const RollbackPlan& plan, const Spec& spec, const RunRecord& run, const StepKinds& kinds,
                          GuardedHost& host, Journal& journal, RunEvents& events, const ExecutorOptions& options);

}  // namespace gpuplan
