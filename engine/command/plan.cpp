// gpuplan plan: what apply would change.
#include <iostream>

#include "command/exit_codes.h"
#include "command/session.h"
#include "command/verbs.h"
#include "plan/print_json.h"
#include "plan/print_text.h"

namespace gpuplan::command {

int run_plan(Session& session) {
  Spec spec = session.read_spec();
  session.load_plugins();
  session.open_host(spec.host.libvirt_uri);
  session.read_journal();
  session.require_same_host();
  session.resolve(spec);
  session.warn_if_locked();
  PlanningResult result = plan_apply(spec, session.kinds, session.owned(), *session.host.host, session.planner_options());
  const std::vector<CheckResult> checks = result.checks;
  const Plan plan = take_plan(session, std::move(result));
  if (session.console.json()) {
    Json document = plan_to_json(plan);
    document["checks"] = checks_to_json(checks);
    session.console.document(document);
  } else {
    session.console.out() << print_plan(plan, session.kinds, {session.console.color_out(), session.options.explain});
  }
  if (!session.options.detailed_exitcode) return exit_done;
  return plan.has_changes() ? exit_changes_pending : exit_done;
}

}  // namespace gpuplan::command
