// gpuplan apply: makes the server as the spec declares it.
#include "command/carry_out.h"
#include "command/session.h"
#include "command/verbs.h"

namespace gpuplan::command {

int run_apply(Session& session) {
  Spec spec = session.read_spec();
  session.load_plugins();
  session.open_host(spec.host.libvirt_uri);
  session.lock_cluster();
  session.require_same_host();
  session.resolve(spec);
  const Plan plan = take_plan(session, plan_apply(spec, session.kinds, session.owned(), *session.host.host,
                                                  session.planner_options()));
  return carry_out(session, plan, spec, "apply");
}

}  // namespace gpuplan::command
