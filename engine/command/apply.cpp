// gpuplan apply: makes the server as the spec declares it, or carries out a saved plan.
#include "command/carry_out.h"
#include "command/exit_codes.h"
#include "command/failure.h"
#include "command/planning.h"
#include "command/session.h"
#include "command/verbs.h"

namespace gpuplan::command {

int run_apply(Session& session) {
  const std::string& path = session.options.arguments.front();
  if (is_saved_plan(path)) {
    if (!(session.options.selection == Selection{})) {
      throw Failure(exit_bad_flags, "a saved plan says itself what it is about",
                    "--target, --exclude and --replace belong to the making of a plan",
                    "leave them away, or make another plan with them");
    }
    const Planned planned = plan_from_file(session, path);
    return carry_out(session, planned.plan, planned.spec,
                     planned.plan.purpose == PlanPurpose::destroy ? "destroy" : "apply");
  }
  Spec spec = session.read_spec();
  session.load_plugins();
  session.open_host(spec.host.libvirt_uri);
  session.lock_cluster();
  const Planned planned = plan_for_apply(session, std::move(spec));
  return carry_out(session, planned.plan, planned.spec, "apply");
}

}  // namespace gpuplan::command
