#include "node_scripts.h"

#include <fmt/format.h>

#include <algorithm>
#include <sstream>

#include "cluster_common/kubeadm.h"
#include "host/guest_target.h"
#include "mirrors.h"

namespace gpuplan::node_prepare {
namespace {

using cluster::GuestScript;
using cluster::GuestView;
using Texts = std::vector<std::string>;

constexpr const char* attribute = "prepared";
constexpr std::chrono::seconds check_limit{60};

// --repository URL, where there is a mirror.
void add_repository(Texts& arguments, const std::string& url) {
  if (!url.empty()) arguments.insert(arguments.end(), {"--repository", url});
}

// All addresses that nodes and pods have, as the firewall of a node has to know them.
std::string networks_of(const Spec& spec) {
  std::string networks = fmt::format("{},{}", spec.network.cidr, spec.kubernetes.pod_cidr);
  if (spec.control_plane.machine) networks += fmt::format(",{}/32", spec.control_plane.address);
  for (const WorkerSpec& worker : spec.workers) {
    if (worker.machine) networks += fmt::format(",{}/32", worker.address);
  }
  return networks;
}

// As the operator's merged values say it.
bool operator_brings_toolkit(const GpuOperatorSpec& wanted) {
  return bool_at(parse_json(wanted.values_json, "gpu_operator.values"), "/toolkit/enabled", wanted.driver == "operator");
}

std::string purpose_of(const GuestScript& script) {
  if (script.name == "base") return "preparing the system";
  if (script.name == "firewall") return "opening the firewall";
  if (script.name == "containerd") return "setting up containerd";
  if (script.name == "nouveau") return "keeping nouveau away from the GPUs";
  if (script.name == "nvidia") {
    return fmt::format("installing NVIDIA's driver{}", script.arguments.empty() ? "" : " and container toolkit");
  }
  return fmt::format("installing Kubernetes {}", script.arguments.empty() ? "" : script.arguments.back());
}

// One text of the attribute as a script, without what is only needed to install.
GuestScript script_of(const std::string& text, const GuestTarget& node) {
  GuestScript script;
  std::istringstream words(text);
  words >> script.name;
  for (std::string word; words >> word;) script.arguments.push_back(word);
  script.purpose = purpose_of(script);
  if (script.name == "base") script.arguments.insert(script.arguments.end(), {"--node", node.node, "--address", node.address});
  return script;
}

std::string lines_joined(const std::string& output) {
  std::string out;
  std::istringstream lines(output);
  for (std::string line; std::getline(lines, line);) {
    if (!line.empty()) out += (out.empty() ? "" : "; ") + line;
  }
  return out;
}

}  // namespace

void declare_prepared(Attributes& declared, const Spec& spec, bool is_machine, bool has_gpus) {
  Texts texts = {!is_machine && !seed_has_packages(spec) ? "base --agent yes" : "base",
                 fmt::format("firewall --networks {}", networks_of(spec)),
                 fmt::format("containerd --kubernetes {}", spec.kubernetes.version),
                 fmt::format("kubernetes --version {}", spec.kubernetes.version)};
  if (has_gpus) texts.emplace_back("nouveau");
  if (has_gpus && spec.gpu_operator.driver == "preinstalled") {
    texts.emplace_back(operator_brings_toolkit(spec.gpu_operator) ? "nvidia" : "nvidia --toolkit yes");
  }
  declared.set(attribute, texts);
}

void observe_prepared(Observation& observed, const Attributes& declared, GuestView& guest) {
  const std::string& node = guest.target().node;
  const Texts wanted = declared.list(attribute);
  if (wanted.empty()) return;
  Texts present;
  std::string missing;
  for (const std::string& text : wanted) {
    const GuestScript script = script_of(text, guest.target());
    const CommandResult found = guest.query(cluster::command_of(script, true, check_limit));
    if (found.ok() || found.exit_status != cluster::incomplete) present.push_back(text);
    if (found.ok()) continue;
    if (found.exit_status == cluster::incomplete)
      missing += fmt::format("{}{}", missing.empty() ? "" : "; ", lines_joined(found.output));
    else
      observed.unreadable.push_back(fmt::format("what `{}` needs on {}: {}; it is taken to be as declared", script.name, node,
                                                cluster::check_failure(node, script, found).what()));
  }
  observed.attributes.set(attribute, present);
  observed.read_from[attribute] = missing.empty() ? fmt::format("checks on {}", node) : fmt::format("on {}: {}", node, missing);
}

void note_what_is_missing(Change& change) {
  const bool concerns_it = std::any_of(change.attributes.begin(), change.attributes.end(),
                                       [](const AttributeChange& changed) { return changed.name == attribute; });
  const auto found = change.before.read_from.find(attribute);
  if (change.action == Action::update && concerns_it && found != change.before.read_from.end())
    change.notes.push_back(found->second);
}

std::vector<GuestScript> node_scripts(const Spec& spec, const Attributes& declared, const GuestTarget& node) {
  const auto mirror_of_packages = [&](const std::string& name) {
    const auto found = spec.mirrors.packages.find(name);
    return found == spec.mirrors.packages.end() ? "" : found->second;
  };
  std::vector<GuestScript> scripts;
  if (std::optional<GuestScript> mirrors = mirrors_script(declared, spec)) scripts.push_back(std::move(*mirrors));
  for (const std::string& text : declared.list(attribute)) {
    scripts.push_back(script_of(text, node));
    const bool has_repository = scripts.back().name == "kubernetes" || scripts.back().name == "nvidia";
    if (has_repository) add_repository(scripts.back().arguments, mirror_of_packages(scripts.back().name));
  }
  return scripts;
}

void pin_kubernetes(std::vector<GuestScript>& scripts, const std::string& version) {
  for (GuestScript& script : scripts) {
    const auto asked = std::find(script.arguments.begin(), script.arguments.end(), "--version");
    if (script.name != "kubernetes" || asked == script.arguments.end()) continue;
    std::string& wanted = *std::next(asked);
    if (cluster::version_like(version, wanted) != wanted) continue;
    wanted = cluster::version_like(version, "x.y.z");
    script.purpose = fmt::format("installing Kubernetes {}", wanted);
  }
}

}  // namespace gpuplan::node_prepare
