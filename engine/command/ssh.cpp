// gpuplan ssh: a login on a node, or one command there.
#include <fmt/format.h>

#include <iostream>

#include "command/cluster_nodes.h"
#include "command/exit_codes.h"
#include "command/failure.h"
#include "command/hand_over.h"
#include "command/verbs.h"

namespace gpuplan::command {

int run_ssh(Session& session) {
  const Options& options = session.options;
  refuse_json(session);
  const Spec spec = open_cluster(session, "");
  const GuestTarget target = find_target(spec, options.arguments.front());
  require_running(session, target);
  Guests& guests = session.host.host->guests();
  if (const auto login = guests.login(target, options.guest_command)) hand_over(*login);
  if (options.guest_command.empty()) {
    throw Failure(
        exit_nothing_changed, fmt::format("{} has no shell to log in to", target.node),
        fmt::format("{} is simulated: its guests interpret single commands", session.host.host->description()),
        fmt::format("write one behind --: `{} -- nvidia-smi -L`", session.suggest(fmt::format("ssh {} --cluster {}", target.node, session.cluster))));
  }
  const CommandResult result = guests.run(target, {options.guest_command, {}, std::chrono::minutes(10)});
  session.console.out() << result.output << std::flush;
  session.console.err() << result.errors << std::flush;
  return result.exit_status;
}

}  // namespace gpuplan::command
