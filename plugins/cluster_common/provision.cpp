#include "cluster_common/provision.h"

#include <fmt/format.h>

#include "cluster_common/mirrors.h"
#include "host/guest_target.h"

namespace gpuplan::cluster {
namespace {

constexpr int incomplete = 10;  // scripts/guest/lib.sh: --check found something missing

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

// --repository URL, where there is a mirror.
std::vector<std::string> with_repository(std::vector<std::string> arguments, const std::string& url) {
  if (!url.empty()) arguments.insert(arguments.end(), {"--repository", url});
  return arguments;
}

std::string package_mirror(const Spec& spec, const char* name) {
  const auto found = spec.mirrors.packages.find(name);
  return found == spec.mirrors.packages.end() ? "" : found->second;
}

}  // namespace

Command command_of(const GuestScript& script, bool check, std::chrono::seconds limit) {
  Command command{{"bash", "-s", "--", script.name}, std::string(script_text(script.name)), limit};
  if (check) command.argv.emplace_back("--check");
  command.argv.insert(command.argv.end(), script.arguments.begin(), script.arguments.end());
  return command;
}

std::vector<GuestScript> node_scripts(const Spec& spec, const Attributes& declared, const GuestTarget& node, bool with_driver) {
  const std::string& version = spec.kubernetes.version;
  std::string networks = fmt::format("{},{}", spec.network.cidr, spec.kubernetes.pod_cidr);
  if (spec.control_plane.machine) networks += fmt::format(",{}/32", spec.control_plane.address);
  for (const WorkerSpec& worker : spec.workers) {
    if (worker.machine) networks += fmt::format(",{}/32", worker.address);
  }
  std::vector<GuestScript> scripts;
  // First: everything after it may fetch something.
  if (std::optional<GuestScript> mirrors = mirrors_script(declared, spec)) scripts.push_back(std::move(*mirrors));
  std::vector<std::string> base = {"--node", node.node, "--address", node.address};
  if (!seed_has_packages(spec) && !node.is_machine()) base.insert(base.end(), {"--agent", "yes"});
  scripts.push_back({"base", "preparing the system", base, {}});
  scripts.push_back({"firewall", "opening the firewall", {"--networks", networks}, {}});
  scripts.push_back({"containerd", "setting up containerd", {"--kubernetes", version}, {}});
  scripts.push_back({"kubernetes", fmt::format("installing Kubernetes {}", version),
                     with_repository({"--version", version}, package_mirror(spec, "kubernetes")), {}});
  if (with_driver)
    scripts.push_back({"nvidia", "installing NVIDIA's driver", with_repository({}, package_mirror(spec, "nvidia")), {}});
  return scripts;
}

GuestScript helm_script(const Spec& spec) {
  return {"helm", "installing Helm", with_repository({}, spec.mirrors.helm), {}};
}

void run_script(Guest& guest, const GuestScript& script, StepContext& context) {
  const std::string& node = guest.target().node;
  const std::chrono::seconds limit(context.spec().timeouts.guest_boot);
  context.progress(fmt::format("{} on {}", script.purpose, node));
  const Command check = command_of(script, true, limit);
  const CommandResult found = guest.query(check);
  if (found.ok()) return;
  if (found.exit_status != incomplete) throw script_failure(node, script, check, found, "");
  for (const auto& [path, content] : script.files) guest.put(path, content);
  const Command command = command_of(script, false, limit);
  const CommandResult result = guest.try_run(command);
  if (!result.ok()) throw script_failure(node, script, command, result, see_log(context, node));
}

void provision(Guest& guest, const std::vector<GuestScript>& scripts, StepContext& context) {
  wait_for_first_boot(guest, context);
  for (const GuestScript& script : scripts) run_script(guest, script, context);
}

}  // namespace gpuplan::cluster
