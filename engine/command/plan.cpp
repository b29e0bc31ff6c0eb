// gpuplan plan: what apply, or destroy, would change.
#include <fmt/format.h>

#include <iostream>

#include "command/exit_codes.h"
#include "command/failure.h"
#include "command/planning.h"
#include "command/session.h"
#include "command/verbs.h"
#include "plan/print_json.h"
#include "plan/print_text.h"

namespace gpuplan::command {
namespace {

std::optional<Planned> make_plan(Session& session) {
  const bool has_spec = !session.options.arguments.empty();
  if (session.options.destroy) {
    if (!session.options.selection.replaces.empty()) {
      throw Failure(exit_bad_flags, "--replace and --destroy contradict each other", {}, "leave one of them away");
    }
    std::optional<Spec> given;
    if (has_spec) given = session.read_spec();
    PlannedRemoval removal = plan_for_destroy(session, given, false);
    if (!removal.planned) say_nothing_to_destroy(session, removal.nothing);
    return std::move(removal.planned);
  }
  if (!has_spec) {
    throw Failure(exit_bad_flags, "`gpuplan plan` needs a SPEC", {}, "write gpuplan plan FILE.yaml, or add --destroy");
  }
  Spec spec = session.read_spec();
  session.load_plugins();
  session.open_host(spec.host.libvirt_uri);
  session.read_journal();
  return plan_for_apply(session, std::move(spec));
}

}  // namespace

int run_plan(Session& session) {
  const std::optional<Planned> planned = make_plan(session);
  if (!planned) return exit_done;
  session.warn_of_open_run();
  const Plan& plan = planned->plan;
  const std::string& out = session.options.out;
  if (!out.empty()) save_plan(session, *planned, out);
  if (session.console.json()) {
    Json document = plan_to_json(plan);
    document["checks"] = checks_to_json(planned->checks);
    if (!out.empty()) document["saved_to"] = out;
    session.console.document(document);
  } else {
    session.console.out() << print_plan(plan, session.kinds, {session.console.color_out(), session.options.explain});
    if (!out.empty()) {
      session.console.out() << fmt::format("Saved to {}; `{}` makes exactly these changes.\n", printable(out),
                                           session.suggest("apply " + shell_quoted(out)));
    }
  }
  if (!session.options.detailed_exitcode) return exit_done;
  return plan.has_changes() ? exit_changes_pending : exit_done;
}

}  // namespace gpuplan::command
