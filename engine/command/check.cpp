// gpuplan check: whether the server can carry the spec.
#include <algorithm>
#include <iostream>

#include "command/exit_codes.h"
#include "command/failure.h"
#include "command/session.h"
#include "command/verbs.h"
#include "host/interrupt.h"
#include "plan/print_json.h"
#include "plan/print_text.h"

namespace gpuplan::command {

int run_check(Session& session) {
  Spec spec = session.read_spec();
  session.load_plugins();
  session.open_host(spec.host.libvirt_uri);
  session.read_journal();
  session.require_same_host();
  session.resolve(spec);
  const PlanningResult result =
      check_host(spec, session.kinds, session.owned(), *session.host.host, session.planner_options());
  const bool failed = std::any_of(result.checks.begin(), result.checks.end(),
                                  [](const CheckResult& check) { return check.status == CheckStatus::fail; });
  if (session.console.json()) {
    Json document = {{"format_version", plan_format_version},
                     {"cluster", spec.cluster},
                     {"host", {{"identity", session.host.host->identity()}, {"description", session.host.host->description()}}},
                     {"checks", checks_to_json(result.checks)},
                     {"errors", diagnostics_to_json(result.diagnostics.items())},
                     {"passed", !failed && !result.diagnostics.has_errors()}};
    session.console.document(document);
  } else {
    session.console.out() << print_checks(result.checks, true, {session.console.color_out(), false});
  }
  session.console.show(result.diagnostics.items());
  if (Interrupt::requested()) throw Interrupted();
  if (result.needs_reboot) return exit_reboot_required;
  return failed || result.diagnostics.has_errors() ? exit_nothing_changed : exit_done;
}

}  // namespace gpuplan::command
