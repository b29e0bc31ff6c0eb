// gpuplan console: a VM's serial console, now or what it has said so far.
#include <fmt/format.h>
#include <unistd.h>

#include <iostream>
#include <limits>

#include "command/cluster_nodes.h"
#include "command/exit_codes.h"
#include "command/failure.h"
#include "command/hand_over.h"
#include "command/verbs.h"

namespace gpuplan::command {
namespace {

// The whole file; what the hypervisor itself can say where there is none.
std::string console_text(Session& session, const std::string& node) {
  Host& host = *session.host.host;
  const std::string path = console_log_of(session, node);
  if (!path.empty() && host.files().kind(path) == FileKind::file) return host.files().read(path);
  return host.hypervisor().console_tail(node, std::numeric_limits<std::size_t>::max());
}

int print_console_log(Session& session, const GuestTarget& target) {
  const std::string text = console_text(session, target.node);
  if (text.empty()) {
    throw Failure(exit_nothing_changed, fmt::format("the console of {} has said nothing", target.node), "",
                  "see that it runs: `virsh list --all`");
  }
  session.console.out() << (isatty(STDOUT_FILENO) == 1 ? printable_lines(text) : text) << std::flush;
  return exit_done;
}

}  // namespace

int run_console(Session& session) {
  refuse_json(session);
  const Spec spec = open_cluster(session, "");
  const GuestTarget target = find_target(spec, session.options.arguments.front());
  if (target.is_machine()) {
    throw Failure(exit_nothing_changed, fmt::format("{} has no console here", target.node),
                  fmt::format("it is the machine {}, and no VM of this server", target.address),
                  fmt::format("`{}` logs in to it", session.suggest("ssh " + target.node)));
  }
  if (session.options.log) return print_console_log(session, target);
  require_running(session, target);
  if (const auto console = session.host.host->hypervisor().console(target.node)) hand_over(*console);
  throw Failure(exit_nothing_changed, fmt::format("{} has no console to sit down at", target.node),
                fmt::format("{} is simulated", session.host.host->description()),
                fmt::format("`{}` prints what it has said", session.suggest(fmt::format("console {} --log --cluster {}", target.node, session.cluster))));
}

}  // namespace gpuplan::command
