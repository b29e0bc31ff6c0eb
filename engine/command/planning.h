// Planning as the verbs plan, apply and destroy need it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "command/session.h"

namespace gpuplan::command {

struct Planned {
  Plan plan;
  Spec spec;
  std::vector<CheckResult> checks;
};

// Plans for `spec` on the opened host. `session.journal` must be open if there is one. Throws Failure,
// also for failed checks.
Planned plan_for_apply(Session& session, Spec spec);

// Plans the removal of what gpuplan made: opens plugins, journal and host. With `locked`, as the verb
// that will do it, otherwise to look only. Without a plan there is nothing to remove, and `nothing` says why.
struct PlannedRemoval {
  std::optional<Planned> planned;
  std::string nothing;
};
PlannedRemoval plan_for_destroy(Session& session, const std::optional<Spec>& given, bool locked);

// Tells the user that a verb had nothing to remove.
void say_nothing_to_destroy(Session& session, const std::string& why);

// The plan in `path`, for apply: makes it again and compares. Throws Failure with exit_plan_stale,
// naming what has moved, if it is not the same.
Planned plan_from_file(Session& session, const std::string& path);

// Saves what was planned for plan_from_file, mode 0600, in place of what is at `path`. Throws Failure.
void save_plan(Session& session, const Planned& planned, const std::string& path);

// True if the file at `path` begins like a saved plan.
bool is_saved_plan(const std::string& path);

}  // namespace gpuplan::command
