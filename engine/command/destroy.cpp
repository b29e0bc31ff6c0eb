// gpuplan destroy: removes everything that gpuplan made.
#include "command/carry_out.h"
#include "command/exit_codes.h"
#include "command/planning.h"
#include "command/session.h"
#include "command/verbs.h"

namespace gpuplan::command {
namespace {

void purge(Session& session) {
  if (!session.host.host) session.open_host(HostSpec().libvirt_uri);
  session.host.host->hypervisor().delete_kept_downloads();
  if (!session.console.json()) session.console.out() << "The images that were kept for the next time are deleted.\n";
}

}  // namespace

int run_destroy(Session& session) {
  std::optional<Spec> given;
  if (!session.options.arguments.empty()) given = session.read_spec();
  const auto [planned, nothing] = plan_for_destroy(session, given, true);
  int code = exit_done;
  if (planned) code = carry_out(session, planned->plan, planned->spec, "destroy");
  else say_nothing_to_destroy(session, nothing);
  if (code == exit_done && session.options.purge) purge(session);
  return code;
}

}  // namespace gpuplan::command
