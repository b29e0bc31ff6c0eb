// How a run ended, for people and for programs.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "apply/executor.h"
#include "apply/rollback.h"
#include "command/console.h"
#include "json/json.h"

namespace gpuplan::command {

// The end of a verb that may change things: printed last, in either form.
struct Ending {
  std::string headline;                    // "Run 1 succeeded"
  std::string status;                      // of the JSON event
  int exit_code = 0;
  std::optional<std::int64_t> run;         // nothing if no run was recorded
  std::vector<ResourceOutcome> resources;
  std::string next;                        // what to do now, one sentence
  std::optional<RollbackOutcome> rollback;
  std::string verified;                    // of `verify: true`: sentences; empty if it was not done
};

// Text: counts, what went wrong with which resource, the verification of a rollback, and what to do
// next as last line. JSON: the event run_finished.
void print_ending(Console& console, const Ending& ending);

// The exit code for the status of a run that was carried out.
int exit_code_for(const RunOutcome& outcome);
int exit_code_for(const RollbackOutcome& outcome);
// 128 plus the signal that interrupted this process; that of SIGINT if none is known.
int interrupted_exit_code();

// "13 created, 4 unchanged"; "nothing" if there are none.
std::string count_states(const std::vector<ResourceOutcome>& resources);

// "16 of 17 resources are as they were before run 1."
std::string verification_sentence(const RollbackOutcome& outcome);

}  // namespace gpuplan::command
