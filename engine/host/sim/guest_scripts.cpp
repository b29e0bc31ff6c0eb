// The scripts of scripts/guest on a simulated guest: a fresh one is what a cloud image is.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <vector>

#include "digest/digest.h"
#include "host/sim/guest_call.h"

namespace gpuplan::sim {
namespace {

constexpr int usage_exit_status = 64;
constexpr int incomplete_exit_status = 10;
constexpr std::array<std::string_view, 3> private_endings = {".lan", ".internal", ".home.arpa"};

struct ScriptCall {
  std::string name;
  bool check = false;
  std::map<std::string, std::string> options;
};

// Options by script. Those of "firewall" find nothing to do: a cloud image has none that is on.
const std::map<std::string, std::vector<std::string>>& script_options() {
  static const std::map<std::string, std::vector<std::string>> all = {
      {"mirrors", {"kubernetes", "entries", "show"}},
      {"base", {"node", "address", "agent"}}, {"firewall", {"networks"}},
      {"containerd", {"kubernetes"}},        {"kubernetes", {"version", "repository"}},
      {"nouveau", {}},                       {"pod_network", {}},
      {"nvidia", {"branch", "toolkit", "repository"}},  {"helm", {"version", "repository"}}};
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

// The entries of mirrors.sh, sorted.
Json entries_of(const ScriptCall& script) {
  std::vector<std::string> entries;
  const auto option = script.options.find("entries");
  const std::string text = option == script.options.end() ? "" : option->second;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    if (end > begin) entries.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  std::sort(entries.begin(), entries.end());
  return entries;
}

Json present_entries(const GuestDisk& disk) {
  const Json& present = member_at(disk.state, "/mirrors");
  return present.is_array() ? present : Json::array();
}

std::string show_entries(const GuestDisk& disk) {
  std::string out;
  for (const Json& entry : present_entries(disk)) out += entry.get<std::string>() + "\n";
  return out;
}

// What of /etc/cni/net.d is the pod network's and not somebody else's.
std::vector<std::string> network_files(const GuestDisk& disk) {
  std::vector<std::string> present;
  for (const char* file : {"10-calico.conflist", "calico-kubeconfig", "10-flannel.conflist"}) {
    const std::string path = fmt::format("/etc/cni/net.d/{}", file);
    if (disk.files.count(path) > 0) present.push_back(path);
  }
  return present;
}

// An entry that is about a file has its SHA-256, and the file was put there before.
CommandResult set_up_mirrors(GuestDisk& disk, const Json& entries, const std::string& lacks) {
  for (const Json& entry : entries) {
    const std::string text = entry.get<std::string>();
    const std::size_t digest = text.find("=sha256:");
    if (digest == std::string::npos) continue;
    const std::string path = "/var/lib/gpuplan/mirrors/" + text.substr(0, digest);
    const auto file = disk.files.find(path);
    if (file == disk.files.end() || sha256_hex(file->second.content) != text.substr(digest + 8))
      return {1, lacks + fmt::format("error: {} is not the file that the entry {} is about\n", path, text.substr(0, digest)), {}};
  }
  if (entries.empty())
    disk.state.erase("mirrors");
  else
    disk.state["mirrors"] = entries;
  for (auto file = disk.files.begin(); file != disk.files.end();) {
    const bool ours = file->first.rfind("/var/lib/gpuplan/mirrors/", 0) == 0;
    const std::string entry = ours ? file->first.substr(25) + "=sha256:" + sha256_hex(file->second.content) : "";
    file = ours && std::find(entries.begin(), entries.end(), entry) == entries.end() ? disk.files.erase(file) : std::next(file);
  }
  return succeeds(lacks);
}

// What --check prints; empty if nothing is missing.
std::string missing(const GuestCall& call, const ScriptCall& script) {
  const std::string kubeadm = string_at(call.disk.state, "/kubeadm_version");
  if (script.name == "firewall") return {};
  if (script.name == "mirrors")
    return entries_of(script) == present_entries(call.disk) ? "" : "the mirrors are not those that are asked for\n";
  if (script.name == "pod_network")
    return network_files(call.disk).empty() ? "" : "a pod network that is gone is configured\n";
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
  if (script.name == "mirrors") return set_up_mirrors(call.disk, entries_of(script), lacks);
  if (script.name == "pod_network") {
    for (const std::string& path : network_files(call.disk)) call.disk.files.erase(path);
  } else if (script.name == "helm") {
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

bool is_on_a_mirror(const std::string& url) {
  const std::size_t scheme = url.find("://");
  if (scheme == std::string::npos) return false;
  std::string host = url.substr(scheme + 3);
  host = host.substr(0, host.find_first_of("/:"));
  return std::any_of(private_endings.begin(), private_endings.end(), [&](std::string_view ending) {
    return host.size() > ending.size() && host.compare(host.size() - ending.size(), ending.size(), ending) == 0;
  });
}

CommandResult run_bash(GuestCall& call) {
  const std::vector<std::string>& argv = call.argv();
  ScriptCall script;
  script.name = call.word(3);
  const bool known = call.word(1) == "-s" && call.word(2) == "--" && script_options().count(script.name) > 0 &&
                     call.command.standard_input.find(fmt::format("\nscript={}\n", script.name)) != std::string::npos;
  if (!known) return fails(1, "error: the simulated guest interprets no shell scripts but those of scripts/guest");
  if (!read_arguments(argv, 4, script))
    return fails(usage_exit_status, fmt::format("error: {}.sh: cannot use these arguments", script.name));
  if (script.options.count("show") > 0) return succeeds(show_entries(call.disk));
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
