#include <fmt/format.h>

#include <array>
#include <cstdlib>
#include <string>

#include "digest/digest.h"
#include "host/sim/guest_argv.h"
#include "host/sim/guest_call.h"
#include "host/sim/guest_cluster.h"
#include "host/sim/guest_kubeadm_config.h"

namespace gpuplan::sim {
namespace {

constexpr int validation_exit_status = 3;
constexpr std::int64_t default_token_ttl = std::int64_t{24} * 3600;
constexpr int first_minor_with_systemd = 22;  // as the kubelet's cgroup driver, if nobody says another
constexpr const char* hint = "To see the stack trace of this error execute with --v=5 or higher\n";

// What init writes; what a second init stumbles over, and reset takes away.
constexpr std::array<const char*, 4> static_pods = {"kube-apiserver", "kube-controller-manager", "kube-scheduler", "etcd"};
constexpr const char* kubelet_conf = "/etc/kubernetes/kubelet.conf";
constexpr const char* ca_certificate = "/etc/kubernetes/pki/ca.crt";

CommandResult kubeadm_fails(const std::string& text, int status = 1) { return fails(status, text + "\n" + hint); }

CommandResult preflight_fails(const std::string& errors) {
  return kubeadm_fails("error execution phase preflight: [preflight] Some fatal errors occurred:\n" + errors +
                       "[preflight] If you know what you are doing, you can make a check non-fatal with "
                       "`--ignore-preflight-errors=...`");
}

std::string package_version(const GuestDisk& disk) { return string_at(disk.state, "/kubeadm_version"); }

int minor_of(const std::string& version) {
  const std::size_t dot = version.find('.');
  return dot == std::string::npos ? 0 : std::atoi(version.c_str() + dot + 1);
}

bool is_full_version(const std::string& text) {
  int dots = 0;
  for (const char c : text.substr(text.empty() || text[0] != 'v' ? 0 : 1)) {
    if (c == '.')
      ++dots;
    else if (c < '0' || c > '9')
      return false;
  }
  return dots == 2 && text.size() >= 5;
}

// The version to install in full, or an error in `problem`.
std::string resolve_version(const std::string& asked, const std::string& packages, std::string& problem) {
  const std::string own_label = fmt::format("stable-1.{}", minor_of(packages));
  if (asked.empty() || asked == own_label) return packages;
  if (!is_full_version(asked)) {
    problem = fmt::format(
        "version \"{}\" doesn't match patterns for neither semantic version nor labels (stable, latest, ...)", asked);
    return {};
  }
  const std::string version = asked[0] == 'v' ? asked : "v" + asked;
  if (minor_of(version) > minor_of(packages) || minor_of(version) + 1 < minor_of(packages)) {
    problem = fmt::format(
        "this version of kubeadm only supports deploying clusters with the control plane version >= 1.{}.0. "
        "Current version: {}",
        minor_of(packages) - 1, version);
    return {};
  }
  return version;
}

std::string what_is_in_the_way(const GuestDisk& disk, bool joining) {
  std::string out;
  if (!joining && disk.state.contains("cluster")) out += "\t[ERROR Port-6443]: Port 6443 is in use\n";
  if (!joining) {
    for (const char* name : static_pods) {
      const std::string path = fmt::format("/etc/kubernetes/manifests/{}.yaml", name);
      if (disk.files.count(path) > 0)
        out +=
            fmt::format("\t[ERROR FileAvailable--etc-kubernetes-manifests-{}.yaml]: {} already exists\n", name, path);
    }
  }
  if (joining && disk.files.count(kubelet_conf) > 0) {
    out += fmt::format("\t[ERROR FileAvailable--etc-kubernetes-kubelet.conf]: {} already exists\n", kubelet_conf);
  }
  if (disk.files.count(kubelet_conf) > 0) out += "\t[ERROR Port-10250]: Port 10250 is in use\n";
  if (joining && disk.files.count(ca_certificate) > 0) {
    out += fmt::format("\t[ERROR FileAvailable--etc-kubernetes-pki-ca.crt]: {} already exists\n", ca_certificate);
  }
  return out;
}

struct Kubeconfig {
  std::string server;
  std::string cluster;
  std::string ca_hash;
  std::string user;
};

// As kubeadm writes them: one cluster, one user, and the context of both. Keys and certificates are made up.
void write_kubeconfig(GuestDisk& disk, const std::string& path, const Kubeconfig& wanted) {
  const std::string context = wanted.user + "@" + wanted.cluster;
  const Json cluster = {{"certificate-authority-data", sha256_hex("CA " + wanted.ca_hash)},
                        {"server", "https://" + wanted.server}};
  const Json user = {{"client-certificate-data", random_hex(32)}, {"client-key-data", random_hex(32)}};
  disk.files[path] = {
      to_yaml({{"apiVersion", "v1"},
               {"kind", "Config"},
               {"clusters", Json::array({{{"name", wanted.cluster}, {"cluster", cluster}}})},
               {"contexts",
                Json::array({{{"name", context}, {"context", {{"cluster", wanted.cluster}, {"user", wanted.user}}}}})},
               {"current-context", context},
               {"preferences", Json::object()},
               {"users", Json::array({{{"name", wanted.user}, {"user", user}}})}}),
      0600};
}

std::string new_token() { return random_hex(3) + "." + random_hex(8); }

// Adds the tokens that the configuration asks for; the first of them, for printing.
std::string add_bootstrap_tokens(SimCluster& cluster, const Json& init, std::string& problem) {
  const Json& asked = member_at(init, "/bootstrapTokens");
  const Json tokens = asked.is_array() && !asked.empty() ? asked : Json::array({Json::object()});
  std::string first;
  for (const Json& item : tokens) {
    const std::string ttl = string_at(item, "/ttl");
    const std::int64_t seconds = ttl.empty() ? default_token_ttl : parse_go_duration(ttl);
    if (seconds < 0) problem = fmt::format("time: invalid duration \"{}\"", ttl);
    const std::string token = string_at(item, "/token", new_token());
    cluster.add_token(token, seconds < 0 ? default_token_ttl : seconds);
    if (first.empty()) first = token;
  }
  return first;
}

// Empty if there is one container runtime, or if `asked` names one of several.
std::string problem_of_runtimes(const GuestDisk& disk, const std::string& asked) {
  const Json& others = member_at(disk.state, "/other_runtimes");
  if (!asked.empty() || !others.is_array() || others.empty()) return {};
  std::string found = "unix:///var/run/containerd/containerd.sock";
  for (const Json& other : others) found += ", " + other.get<std::string>();
  return fmt::format("found multiple CRI endpoints on the host. Please define which one do you wish to use by setting the "
                     "'criSocket' field in the kubeadm configuration file: {}",
                     found);
}

// containerd is configured for systemd, and with a kubelet that is not no container starts.
bool kubelet_fits_containerd(const KubeadmConfig& config, int minor) {
  const std::string by_itself = minor < first_minor_with_systemd ? "cgroupfs" : "systemd";
  return string_at(config.document("KubeletConfiguration"), "/cgroupDriver", by_itself) == "systemd";
}

CommandResult kubeadm_init(GuestCall& call, const ParsedArgv& arguments) {
  call.changes();
  GuestDisk& disk = call.disk;
  const std::string packages = package_version(disk);
  KubeadmConfig config;
  if (arguments.has("config")) config = read_kubeadm_config(disk, arguments.value("config"), minor_of(packages));
  if (!config.error.empty()) return kubeadm_fails(config.error);
  const Json& init = config.document("InitConfiguration");
  std::string problem = problem_of_runtimes(disk, string_at(init, "/nodeRegistration/criSocket"));
  if (!problem.empty()) return kubeadm_fails(problem);
  Json configuration = config.document("ClusterConfiguration");
  if (configuration.is_null())
    configuration = {{"apiVersion", "kubeadm.k8s.io/v1beta4"}, {"kind", "ClusterConfiguration"}};
  const std::string version = resolve_version(string_at(configuration, "/kubernetesVersion"), packages, problem);
  if (!problem.empty()) return kubeadm_fails(problem);
  const std::string blockers = what_is_in_the_way(disk, false);
  if (!blockers.empty()) return preflight_fails(blockers);
  if (!kubelet_fits_containerd(config, minor_of(packages)))
    return kubeadm_fails("error execution phase wait-control-plane: couldn't initialize a Kubernetes cluster");

  configuration["kubernetesVersion"] = version;
  if (!configuration.contains("clusterName")) configuration["clusterName"] = "kubernetes";
  const std::string endpoint = string_at(configuration, "/controlPlaneEndpoint", call.world.address() + ":6443");
  const std::string node = string_at(init, "/nodeRegistration/name", call.world.node());
  const std::string ca_hash = "sha256:" + sha256_hex(random_hex(32));
  GuestDisk made = disk;
  made.state["cluster"] = new_cluster_state(configuration, node, ca_hash, call.world.now());
  SimCluster cluster(made, call.world);
  const std::string token = add_bootstrap_tokens(cluster, init, problem);
  if (!problem.empty()) return kubeadm_fails(problem);
  Json labels = registered_labels(init);
  labels["node-role.kubernetes.io/control-plane"] = "";
  cluster.nodes()[node] = new_node_state(call.world.address(), version, labels, call.world.now());
  for (const char* name : static_pods) made.files[fmt::format("/etc/kubernetes/manifests/{}.yaml", name)] = {"", 0600};
  for (const char* path : {admin_kubeconfig, kubelet_conf, "/etc/kubernetes/super-admin.conf"})
    write_kubeconfig(made, path,
                     {endpoint, string_at(configuration, "/clusterName"), ca_hash,
                      std::string_view(path) == kubelet_conf ? "system:node:" + node : "kubernetes-admin"});
  made.files[ca_certificate] = {ca_hash + "\n", 0644};
  disk = std::move(made);

  std::string output = fmt::format(
      "[init] Using Kubernetes version: {}\n[preflight] Running pre-flight checks\n\n"
      "Your Kubernetes control-plane has initialized successfully!\n",
      version);
  if (!arguments.has("skip-token-print")) {
    output += fmt::format("\nkubeadm join {} --token {} \\\n\t--discovery-token-ca-cert-hash {} \n", endpoint, token,
                          ca_hash);
  }
  return {0, std::move(output), config.warnings};
}

CommandResult kubeadm_token(GuestCall& call, const ParsedArgv& arguments) {
  const std::string action = arguments.words.size() > 1 ? arguments.words[1] : "";
  if (action != "create" && action != "delete") {
    return kubeadm_fails(fmt::format("unknown command \"{}\" for \"kubeadm token\"", action));
  }
  call.changes();
  if (cluster_problem(call, admin_kubeconfig)) {
    return kubeadm_fails(
        fmt::format("failed to load admin kubeconfig: open {}: no such file or directory", admin_kubeconfig));
  }
  SimCluster cluster(call.disk, call.world);
  if (action == "delete") {
    if (arguments.words.size() < 3)
      return kubeadm_fails("missing subcommand; 'token delete' is missing the token ID");
    std::string output;
    Json kept = Json::object();
    for (const auto& [token, data] : cluster.state()["tokens"].items()) {
      if (token.substr(0, 6) == arguments.words[2].substr(0, 6))
        output = fmt::format("bootstrap token \"{}\" deleted\n", token.substr(0, 6));
      else
        kept[token] = data;
    }
    if (output.empty())
      return kubeadm_fails(
          fmt::format("failed to delete bootstrap token \"{0}\": secrets \"bootstrap-token-{0}\" not found",
                      arguments.words[2].substr(0, 6)));
    cluster.state()["tokens"] = kept;
    return succeeds(output);
  }
  const std::string ttl = arguments.value("ttl", "24h0m0s");
  const std::int64_t seconds = parse_go_duration(ttl);
  if (seconds < 0)
    return kubeadm_fails(
        fmt::format("invalid argument \"{0}\" for \"--ttl\" flag: time: invalid duration \"{0}\"", ttl));
  const std::string token = arguments.words.size() > 2 ? arguments.words[2] : new_token();
  cluster.add_token(token, seconds);
  if (!arguments.has("print-join-command")) return succeeds(token + "\n");
  const std::string endpoint =
      string_at(cluster.state(), "/configuration/controlPlaneEndpoint", call.world.address() + ":6443");
  return succeeds(fmt::format("kubeadm join {} --token {} --discovery-token-ca-cert-hash {} \n", endpoint, token,
                              cluster.ca_hash()));
}

// Why discovery of the cluster fails, in kubeadm's words; empty if it works.
std::string discovery_problem(GuestCall& call, const Json& discovery, GuestDisk* control_plane) {
  const std::string prefix = "error execution phase preflight: couldn't validate the identity of the API Server: ";
  const std::string endpoint = string_at(discovery, "/apiServerEndpoint");
  if (control_plane == nullptr || !control_plane->state.contains("cluster")) {
    return prefix + fmt::format(
                        "failed to request the cluster-info ConfigMap: Get "
                        "\"https://{0}/api/v1/namespaces/kube-public/configmaps/"
                        "cluster-info?timeout=10s\": dial tcp {0}: connect: {1}",
                        endpoint, control_plane == nullptr ? "no route to host" : "connection refused");
  }
  const SimCluster cluster(*control_plane, call.world);
  const std::string token = string_at(discovery, "/token");
  if (!cluster.token_is_valid(token)) {
    return prefix + fmt::format("could not find a JWS signature in the cluster-info ConfigMap for token ID \"{}\"",
                                token.substr(0, 6));
  }
  if (bool_at(discovery, "/unsafeSkipCAVerification")) return {};
  for (const Json& hash : member_at(discovery, "/caCertHashes")) {
    if (hash == cluster.ca_hash()) return {};
  }
  return prefix +
         fmt::format(
             "cluster CA found in cluster-info ConfigMap is invalid: none of the public keys \"{}\" are pinned",
             cluster.ca_hash());
}

std::string validate_join(const Json& discovery) {
  std::string out;
  if (string_at(discovery, "/apiServerEndpoint").empty())
    out = "discovery.bootstrapToken.apiServerEndpoint: Required value";
  else if (string_at(discovery, "/token").empty())
    out = "discovery.bootstrapToken.token: Invalid value: \"\": the bootstrap token is invalid";
  else if (member_at(discovery, "/caCertHashes").empty() && !bool_at(discovery, "/unsafeSkipCAVerification")) {
    out =
        "discovery.bootstrapToken: Invalid value: \"\": using token-based discovery without caCertHashes can be "
        "unsafe. Set "
        "unsafeSkipCAVerification as true in your kubeadm config file or pass "
        "--discovery-token-unsafe-skip-ca-verification flag to continue";
  }
  return out;
}

CommandResult kubeadm_join(GuestCall& call, const ParsedArgv& arguments) {
  call.changes();
  const std::string packages = package_version(call.disk);
  if (!arguments.has("config")) return kubeadm_fails("the simulated kubeadm joins with --config only");
  const KubeadmConfig config = read_kubeadm_config(call.disk, arguments.value("config"), minor_of(packages));
  if (!config.error.empty()) return kubeadm_fails(config.error);
  const Json& join = config.document("JoinConfiguration");
  if (join.is_null())
    return kubeadm_fails("no JoinConfiguration found in config file \"" + arguments.value("config") + "\"");
  const Json& discovery = member_at(join, "/discovery/bootstrapToken");
  const std::string runtimes = problem_of_runtimes(call.disk, string_at(join, "/nodeRegistration/criSocket"));
  if (!runtimes.empty()) return kubeadm_fails(runtimes);
  const std::string invalid = validate_join(discovery);
  if (!invalid.empty()) return kubeadm_fails(invalid, validation_exit_status);
  const std::string blockers = what_is_in_the_way(call.disk, true);
  if (!blockers.empty()) return preflight_fails(blockers);

  const std::string endpoint = string_at(discovery, "/apiServerEndpoint");
  GuestDisk* control_plane = call.world.disk_at(endpoint.substr(0, endpoint.find(':')));
  const std::string problem = discovery_problem(call, discovery, control_plane);
  if (!problem.empty()) return kubeadm_fails(problem);
  SimCluster cluster(*control_plane, call.world);
  const std::string node = string_at(join, "/nodeRegistration/name", call.world.node());
  if (cluster.nodes().contains(node) && cluster.why_not_ready(node).empty()) {
    return kubeadm_fails(fmt::format(
        "error execution phase kubelet-start: a Node with name \"{}\" and status \"Ready\" already exists in "
        "the cluster. You must delete the existing Node or change the name of this new joining Node",
        node));
  }
  cluster.nodes()[node] = new_node_state(call.world.address(), packages, registered_labels(join), call.world.now());
  if (const Json& taints = member_at(join, "/nodeRegistration/taints"); taints.is_array() && !taints.empty())
    cluster.nodes()[node]["taints"] = taints;
  call.disk.state["membership"] = {{"ca_hash", cluster.ca_hash()}, {"endpoint", endpoint}, {"node", node}};
  write_kubeconfig(call.disk, kubelet_conf,
                   {endpoint, string_at(cluster.state(), "/configuration/clusterName"), cluster.ca_hash(), "system:node:" + node});
  call.disk.files[ca_certificate] = {cluster.ca_hash() + "\n", 0644};
  write_cni_files(call.disk, cluster.cni());
  return {0,
          "[preflight] Running pre-flight checks\n\nThis node has joined the cluster:\n* Certificate signing request "
          "was sent to "
          "apiserver and a response was received.\n",
          config.warnings};
}

CommandResult kubeadm_reset(GuestCall& call, const ParsedArgv& arguments) {
  call.changes();
  if (!arguments.has("force") && call.command.standard_input.substr(0, 1) != "y") {
    return kubeadm_fails("error execution phase preflight: aborted reset operation");
  }
  const std::string runtimes = problem_of_runtimes(call.disk, arguments.value("cri-socket"));
  if (!runtimes.empty()) return kubeadm_fails(runtimes);
  call.disk.state.erase("cluster");
  call.disk.state.erase("membership");
  for (auto file = call.disk.files.begin(); file != call.disk.files.end();) {
    const std::string& path = file->first;
    const bool goes = path.rfind("/etc/kubernetes/manifests/", 0) == 0 ||
                      path.rfind("/etc/kubernetes/pki/", 0) == 0 || path == admin_kubeconfig ||
                      path == kubelet_conf || path == "/etc/kubernetes/super-admin.conf";
    file = goes ? call.disk.files.erase(file) : std::next(file);
  }
  return succeeds(
      "[preflight] Running pre-flight checks\n[reset] Deleting contents of directories: [/etc/kubernetes/manifests "
      "/var/lib/kubelet /etc/kubernetes/pki]\n\nThe reset process does not perform cleanup of CNI plugin "
      "configuration\n");
}

CommandResult kubeadm_version(GuestCall& call, const ParsedArgv& arguments) {
  const std::string version = package_version(call.disk);
  const std::string format = arguments.value("output");
  if (format == "short") return succeeds(version + "\n");
  if (!format.empty())
    return kubeadm_fails(
        fmt::format("error marshalling: the simulated kubeadm prints --output short only, not {}", format));
  return succeeds(fmt::format("kubeadm version: &version.Info{{GitVersion:\"{}\"}}\n", version));
}

}  // namespace

CommandResult run_kubeadm(GuestCall& call) {
  struct Subcommand {
    const char* name;
    std::vector<Flag> flags;
    CommandResult (*run)(GuestCall&, const ParsedArgv&);
  };
  static const std::vector<Subcommand> subcommands = {
      {"init",
       {{"config"}, {"skip-token-print", '\0', false}, {"ignore-preflight-errors"}, {"v", 'v'}},
       kubeadm_init},
      {"join", {{"config"}, {"ignore-preflight-errors"}, {"v", 'v'}}, kubeadm_join},
      {"reset", {{"force", 'f', false}, {"cri-socket"}, {"config"}, {"v", 'v'}}, kubeadm_reset},
      {"token",
       {{"ttl"}, {"print-join-command", '\0', false}, {"description"}, {"kubeconfig"}, {"v", 'v'}},
       kubeadm_token},
      {"version", {{"output", 'o'}, {"v", 'v'}}, kubeadm_version}};
  for (const Subcommand& subcommand : subcommands) {
    if (call.word(1) != subcommand.name) continue;
    const ParsedArgv arguments = parse_argv(call.argv(), 1, subcommand.flags);
    return arguments.error.empty() ? subcommand.run(call, arguments) : kubeadm_fails(arguments.error);
  }
  return kubeadm_fails(fmt::format("unknown command \"{}\" for \"kubeadm\"", call.word(1)));
}

}  // namespace gpuplan::sim
