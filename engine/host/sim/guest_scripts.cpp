// The scripts of scripts/guest on a simulated guest: a fresh one is what a cloud image is.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <vector>

#include "host/sim/guest_call.h"

namespace gpuplan::sim {
namespace {

constexpr int usage_exit_status = 64;
constexpr int incomplete_exit_status = 10;

struct ScriptCall {
  std::string name;
  bool check = false;
  std::map<std::string, std::string> options;
};

// Options by script. Those of "firewall" find nothing to do: a cloud image has none that is on.
const std::map<std::string, std::vector<std::string>>& script_options() {
  static const std::map<std::string, std::vector<std::string>> all = {
      {"base", {"node", "address"}},         {"firewall", {"networks"}},
      {"containerd", {"kubernetes"}},        {"kubernetes", {"version", "repository"}},
      {"nvidia", {"branch", "repository"}},  {"helm", {"version", "repository"}}};
  return all;
}

// False if the script would not take these arguments.
bool read_arguments(const std::vector<std::string>& argv, std::size_t first, ScriptCall& call) {
  const std::vector<std::string>& known = script_options().at(call.name);
  for (std::size_t i = first; i < argv.size(); ++i) {
    if (argv[i] == "--check") {
      call.check = true;
      continue;
    }
    const std::string name = argv[i].rfind("--", 0) == 0 ? argv[i].substr(2) : "";
    if (std::find(known.begin(), known.end(), name) == known.end() || i + 1 == argv.size()) return false;
    call.options[name] = argv[++i];
  }
  return true;
}

// "v1.34.2" for "1.34": the version that the repository has of it.
std::string package_of(const std::string& version) {
  const bool is_full = std::count(version.begin(), version.end(), '.') == 2;
  return fmt::format("v{}{}", version, is_full ? "" : ".2");
}

bool is_of_minor(const std::string& package, const std::string& version) {
  const std::size_t end = version.find('.', version.find('.') + 1);
  return package.rfind(fmt::format("v{}.", version.substr(0, end)), 0) == 0;
}

// What --check prints; empty if nothing is missing.
std::string missing(const GuestCall& call, const ScriptCall& script) {
  const std::string kubeadm = string_at(call.disk.state, "/kubeadm_version");
  if (script.name == "firewall") return {};
  if (script.name == "helm")
    return call.disk.state.contains("helm_version") ? "" : "Helm is not installed\n";
  if (script.name != "kubernetes") {
    const bool done = member_at(call.disk.state, "/prepared").contains(script.name);
    return done ? "" : fmt::format("{}.sh has not run\n", script.name);
  }
  const auto version = script.options.find("version");
  const std::string wanted = version == script.options.end() ? "" : version->second;
  if (kubeadm.empty()) return fmt::format("kubeadm, kubelet, kubectl {} are not installed\n", wanted);
  if (is_of_minor(kubeadm, wanted)) return {};
  return fmt::format("another version of Kubernetes than {} is installed\n", wanted);
}

CommandResult carry_out(GuestCall& call, const ScriptCall& script, const std::string& lacks) {
  Json& state = call.disk.state;
  if (lacks.empty()) return succeeds("nothing to do\n");
  if (script.name == "helm") {
    state["helm_version"] = "v4.2.2";
  } else if (script.name != "kubernetes") {
    state["prepared"][script.name] = true;
  } else if (state.contains("kubeadm_version")) {
    return {1,
            lacks + fmt::format("error: kubeadm {} is here, and Kubernetes {} is asked for: gpuplan does not change installed "
                                "versions; use an image without them\n",
                                string_at(state, "/kubeadm_version").substr(1), script.options.at("version")),
            {}};
  } else {
    state["kubeadm_version"] = package_of(script.options.at("version"));
  }
  return succeeds(lacks);
}

}  // namespace

CommandResult run_bash(GuestCall& call) {
  const std::vector<std::string>& argv = call.argv();
  ScriptCall script;
  script.name = call.word(3);
  const bool known = call.word(1) == "-s" && call.word(2) == "--" && script_options().count(script.name) > 0 &&
                     call.command.standard_input.find(fmt::format("\nscript={}\n", script.name)) != std::string::npos;
  if (!known) return fails(1, "error: the simulated guest interprets no shell scripts but those of scripts/guest");
  if (!read_arguments(argv, 4, script))
    return fails(usage_exit_status, fmt::format("error: {}.sh: cannot use these arguments", script.name));
  const std::string lacks = missing(call, script);
  if (script.check) return {lacks.empty() ? 0 : incomplete_exit_status, lacks, {}};
  call.changes();
  return carry_out(call, script, lacks);
}

CommandResult run_kubernetes_version(const GuestCall& call, const std::string& program) {
  const std::string version = string_at(call.disk.state, "/kubeadm_version");
  if (program == "kubelet") return succeeds(fmt::format("Kubernetes {}\n", version));
  return succeeds(fmt::format("{{\n  \"clientVersion\": {{\n    \"gitVersion\": \"{}\"\n  }}\n}}\n", version));
}

bool has_program(const GuestDisk& disk, const std::string& program) {
  if (program == "kubeadm" || program == "kubelet" || program == "kubectl") return disk.state.contains("kubeadm_version");
  return program != "helm" || disk.state.contains("helm_version");
}

}  // namespace gpuplan::sim
