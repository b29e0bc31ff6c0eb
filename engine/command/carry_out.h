// What apply, destroy and rollback have in common: show, ask, run, tell.
#pragma once

#include <memory>
#include <string>

#include "command/session.h"
#include "command/outcome.h"
#include "plan/plan.h"

namespace gpuplan::command {

// Asks on a terminal unless --yes was given. Throws Failure if nobody can be asked or the answer is
// anything but "yes".
void confirm(Session& session, const std::string& question);

// Shows the plan, asks, carries it out as a run of `command` ("apply", "destroy"), rolls back at once
// if it fails and the spec says so, and tells how it ended. Returns the exit code. `plan` may have no
// changes: then only an earlier run that did not get to its end is completed.
int carry_out(Session& session, const Plan& plan, const Spec& spec, const std::string& command);

// What to do instead of a rollback that is refused.
std::string way_on(const Session& session, const RollbackPlan& plan);

// Undoes `runs` of the plan without asking.
RollbackOutcome undo_runs(Session& session, const RollbackPlan& plan, const Spec& spec);

}  // namespace gpuplan::command
