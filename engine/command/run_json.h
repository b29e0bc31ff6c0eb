// Recorded runs, for people and for programs.
#pragma once

#include <string>

#include "apply/journal.h"
#include "json/json.h"

namespace gpuplan::command {

// id, command, argv, status, spec, host, pid, started, finished, commit_begun. Times are seconds since 1970.
Json run_to_json(const RunRecord& run);

// "3 apply, failed, 2025-11-24 06:25:10 UTC". `locked`: somebody works on the cluster now, so that a
// run without an end is going on rather than lost.
std::string describe_run(const RunRecord& run, bool locked);

// "succeeded", "running", "killed" (without an end, and nobody works on it).
std::string status_words(const RunRecord& run, bool locked);

}  // namespace gpuplan::command
