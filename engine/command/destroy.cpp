// gpuplan destroy: removes everything that gpuplan made.
#include "command/carry_out.h"
#include "command/exit_codes.h"
#include "command/planning.h"
#include "command/session.h"
#include "command/verbs.h"

namespace gpuplan::command {

int run_destroy(Session& session) {
  std::optional<Spec> given;
  if (!session.options.arguments.empty()) given = session.read_spec();
  const std::optional<Planned> planned = plan_for_destroy(session, given, true);
  if (!planned) return exit_done;
  return carry_out(session, planned->plan, planned->spec, "destroy");
}

}  // namespace gpuplan::command
