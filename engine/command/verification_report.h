// A verification of a cluster, as verify and apply make and tell it.
#pragma once

#include <string>

#include "command/session.h"
#include "verify/verification.h"

namespace gpuplan::command {

// Verifies the cluster of `spec` on the opened host, with the lock held. Throws Interrupted.
Verification verify(Session& session, const Spec& spec);

// Checks with what was found, then of each failure the reason and what to do, then the counts. Without `all` the
// checks that passed are left out. Ends with a newline. Pure.
std::string verification_text(const Verification& verification, bool all);
// "14 passed, 2 failed, 1 skipped". Pure.
std::string count_results(const Verification& verification);
// The members "passed" and "results". Pure.
Json verification_json(const Verification& verification);

}  // namespace gpuplan::command
