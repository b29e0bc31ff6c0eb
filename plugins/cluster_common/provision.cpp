#include "cluster_common/provision.h"

#include <fmt/format.h>

#include "host/guest_target.h"
#include "plugin/waiting.h"

namespace gpuplan::cluster {
namespace {

// What a script says is an error, it says without the word.
std::string without_error(const std::string& complaint) {
  constexpr std::string_view word = "error: ";
  return complaint.rfind(word, 0) == 0 ? complaint.substr(word.size()) : complaint;
}

// `log`: how to see all of its output, see_log; may be empty.
HostError script_failure(const std::string& node, const GuestScript& script, const Command& command,
                         const CommandResult& result, const std::string& log) {
  const std::string complaint = without_error(complaint_of(result));
  return HostError(HostError::Kind::failed, join_argv(command.argv),
                   fmt::format("{} on {} failed: {}{}", script.purpose, node,
                               complaint.empty() ? fmt::format("exit status {}", result.exit_status) : complaint, log),
                   result.errors.empty() ? result.output : result.errors);
}

HostError took_too_long(const std::string& node, const GuestScript& script, const HostError& error, const StepContext& context) {
  const std::int64_t limit = context.spec().timeouts.guest_boot;
  const std::string last = complaint_of({0, {}, error.output_tail()});
  return HostError(error.kind(), error.subject(),
                   fmt::format("{}{}{}; {}", waited_in_vain(fmt::format("{} on {}", script.purpose, node), limit),
                               last.empty() ? "" : fmt::format("; it said last: {}", last), see_log(context, node),
                               more_time("guest_boot", limit)),
                   error.output_tail());
}

// By itself cloud-init installs packages and sets up the network. What it says in the end is not looked at: "error" may
// be a module that nobody needs, and the checks that follow see what is missing.
void wait_for_first_boot(GuestView& guest, StepContext& context) {
  wait_for(context, fmt::format("the first boot of {} to end", guest.target().node), context.spec().timeouts.guest_boot,
           [&](std::string& seen) {
             const std::string status = guest.query({"cloud-init", "status"}).output;
             seen = "cloud-init is not done";
             return status.find("status: running") == std::string::npos && status.find("status: not ") == std::string::npos;
           },
           {"guest_boot", by_ssh(context.spec().cluster, guest.target().node, "cloud-init status --long") + " tells more"});
}

}  // namespace

Command command_of(const GuestScript& script, bool check, std::chrono::seconds limit) {
  Command command{{"bash", "-s", "--", script.name}, std::string(script_text(script.name)), limit};
  if (check) command.argv.emplace_back("--check");
  command.argv.insert(command.argv.end(), script.arguments.begin(), script.arguments.end());
  return command;
}

HostError check_failure(const std::string& node, const GuestScript& script, const CommandResult& result) {
  return script_failure(node, script, command_of(script, true, {}), result, "");
}

void run_script(Guest& guest, const GuestScript& script, StepContext& context) {
  const std::string& node = guest.target().node;
  const std::chrono::seconds limit(context.spec().timeouts.guest_boot);
  context.progress(fmt::format("{} on {}", script.purpose, node));
  const CommandResult found = guest.query(command_of(script, true, limit));
  if (found.ok()) return;
  if (found.exit_status != incomplete) throw check_failure(node, script, found);
  for (const auto& [path, content] : script.files) guest.put(path, content);
  const Command command = command_of(script, false, limit);
  const CommandResult result = [&] {
    try {
      return guest.try_run(command);
    } catch (const HostError& error) {
      if (error.kind() != HostError::Kind::timed_out) throw;
      throw took_too_long(node, script, error, context);
    }
  }();
  if (!result.ok()) throw script_failure(node, script, command, result, see_log(context, node));
}

void provision(Guest& guest, const std::vector<GuestScript>& scripts, StepContext& context) {
  wait_for_first_boot(guest, context);
  for (const GuestScript& script : scripts) run_script(guest, script, context);
}

}  // namespace gpuplan::cluster
