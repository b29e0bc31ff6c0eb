#include "host/sim/guest_cluster.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <iterator>

#include "digest/digest.h"
#include "host/sim/guest_call.h"
#include "host/sim/guest_pods.h"
#include "host/sim/guest_programs.h"

namespace gpuplan::sim {
namespace {

// What the gpu-operator chart brings, with its dependency node-feature-discovery.
constexpr const char* operator_crds[] = {"clusterpolicies.nvidia.com", "nodefeaturegroups.nfd.k8s-sigs.io",
                                         "nodefeaturerules.nfd.k8s-sigs.io", "nodefeatures.nfd.k8s-sigs.io",
                                         "nvidiadrivers.nvidia.com"};
// From 26.7 on, for dynamic resource allocation.
constexpr const char* later_operator_crds[] = {"computedomaincliques.resource.nvidia.com", "computedomains.resource.nvidia.com",
                                               "gpuclusters.nvidia.com"};

Json metadata(const std::string& name, const std::string& in_namespace = "") {
  Json out = {{"name", name}};
  if (!in_namespace.empty()) out["namespace"] = in_namespace;
  return out;
}

Json daemonset(const std::string& name, const std::string& in_namespace) {
  return {{"apiVersion", "apps/v1"}, {"kind", "DaemonSet"}, {"metadata", metadata(name, in_namespace)}};
}

Json pod(const std::string& name, const std::string& in_namespace, const std::string& node, bool running) {
  return {{"apiVersion", "v1"},
          {"kind", "Pod"},
          {"metadata", metadata(name, in_namespace)},
          {"spec", {{"nodeName", node}}},
          {"status", {{"phase", running ? "Running" : "Pending"}}}};
}

}  // namespace

Json new_cluster_state(const Json& configuration, const std::string& control_plane, const std::string& ca_hash,
                       std::int64_t now) {
  Json namespaces = Json::object();
  for (const char* name : {"default", "kube-node-lease", "kube-public", "kube-system"}) {
    namespaces[name] = {{"labels", {{"kubernetes.io/metadata.name", name}}}};
  }
  return {{"configuration", configuration},
          {"ca_hash", ca_hash},
          {"created", now},
          {"control_plane", control_plane},
          {"cni", ""},
          {"tokens", Json::object()},
          {"nodes", Json::object()},
          {"namespaces", namespaces},
          {"releases", Json::object()},
          {"crds", Json::array()}};
}

void write_cni_files(GuestDisk& disk, const std::string& cni) {
  if (cni.empty()) return;
  disk.files[fmt::format("/etc/cni/net.d/10-{}.conflist", cni)] = {"{}\n", 0644};
  if (cni == "calico") disk.files["/etc/cni/net.d/calico-kubeconfig"] = {"kind: Config\n", 0600};
}

Json new_node_state(const std::string& address, const std::string& version, const Json& labels, std::int64_t now) {
  return {{"address", address}, {"version", version},    {"labels", labels},
          {"joined", now},      {"uid", random_hex(16)}, {"unschedulable", false}};
}

bool SimCluster::token_is_valid(const std::string& token) const {
  const Json& tokens = state_.at("tokens");
  const auto found = tokens.find(token);
  if (found == tokens.end()) return false;
  const std::int64_t expires = int_at(*found, "/expires");
  return expires == 0 || expires > world_.now();
}

void SimCluster::add_token(const std::string& token, std::int64_t ttl_seconds) {
  forget_expired_tokens();
  state_["tokens"][token] = {{"expires", ttl_seconds == 0 ? 0 : world_.now() + ttl_seconds}};
}

void SimCluster::forget_expired_tokens() {
  Json kept = Json::object();
  for (const auto& [token, data] : state_.at("tokens").items()) {
    if (token_is_valid(token)) kept[token] = data;
  }
  state_["tokens"] = kept;
}

std::string SimCluster::why_not_ready(const std::string& node) const {
  const Json& record = state_.at("nodes").at(node);
  // Whoever reads the API has proved that the control plane's own guest runs.
  const bool here = node == string_at(state_, "/control_plane");
  GuestDisk* disk = here ? nullptr : world_.disk_of_node(node);
  const bool member = here || (disk != nullptr && string_at(disk->state, "/membership/ca_hash") == ca_hash());
  if (!member || (!here && !world_.runs(node))) return "Kubelet stopped posting node status.";
  if (cni().empty()) {
    return "container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady "
           "message:Network plugin returns error: cni plugin not initialized";
  }
  const std::int64_t since = std::max(int_at(record, "/joined"), int_at(state_, "/cni_since"));
  if (world_.now() < since + node_settles_after)
    return "[container runtime is down, PLEG is not healthy: pleg has yet to be successful]";
  return {};
}

const Json* SimCluster::operator_release() const {
  for (const auto& [name, release] : state_.at("releases").items()) {
    if (string_at(release, "/chart") == "gpu-operator") return &state_.at("releases").at(name);
  }
  return nullptr;
}

bool SimCluster::operator_runs() const {
  const Json* release = operator_release();
  return release != nullptr && string_at(*release, "/status") == "deployed" &&
         world_.now() >= int_at(*release, "/updated") + operator_settles_after;
}

Json SimCluster::taints_of(const std::string& node) const {
  const Json& record = state_.at("nodes").at(node);
  const Json& kept = member_at(record, "/taints");
  Json out = kept.is_array() ? kept : Json::array();
  if (bool_at(record, "/unschedulable"))
    out.push_back({{"key", "node.kubernetes.io/unschedulable"}, {"effect", "NoSchedule"}});
  return out;
}

// Its pods come with DaemonSets, which go onto cordoned nodes too.
bool SimCluster::operator_is_kept_from(const std::string& node) const {
  static const Json by_default =
      Json::array({{{"key", "nvidia.com/gpu"}, {"operator", "Exists"}, {"effect", "NoSchedule"}}});
  const Json* release = operator_release();
  const Json& given = release == nullptr ? by_default : member_at(*release, "/values/daemonsets/tolerations");
  const Json& taints = member_at(state_.at("nodes").at(node), "/taints");
  return std::any_of(taints.begin(), taints.end(), [&](const Json& taint) {
    return string_at(taint, "/effect") != "PreferNoSchedule" && !is_tolerated(taint, given.is_array() ? given : by_default);
  });
}

std::size_t SimCluster::allocatable_gpus(const std::string& node) const {
  const std::int64_t joined = int_at(state_, "/nodes/" + node + "/joined");
  if (!operator_runs() || !why_not_ready(node).empty() || world_.now() < joined + operator_settles_after) return 0;
  const GuestDisk* disk = world_.disk_of_node(node);
  if ((disk != nullptr && !driver_is_loaded(*disk)) || operator_is_kept_from(node)) return 0;
  return world_.gpus_of(node);
}

// The device plugin offers GPUs without CUDA; the operator's validator starts a CUDA program on each node.
bool SimCluster::cuda_works_everywhere() const {
  for (const auto& [name, record] : state_.at("nodes").items()) {
    if (world_.gpus_of(name) == 0) continue;
    const GuestDisk* disk = world_.disk_of_node(name);
    if (!world_.has_cuda(name) || (disk != nullptr && !driver_is_loaded(*disk))) return false;
  }
  return true;
}

Json SimCluster::node_object(const std::string& name) const {
  const Json& record = state_.at("nodes").at(name);
  const std::string trouble = why_not_ready(name);
  const bool silent = trouble == "Kubelet stopped posting node status.";
  Json labels = record.at("labels");
  labels["kubernetes.io/hostname"] = name;
  labels["kubernetes.io/os"] = "linux";
  if (operator_runs() && world_.gpus_of(name) > 0) labels["nvidia.com/gpu.present"] = "true";
  Json allocatable = {{"pods", "110"}};
  if (const std::size_t gpus = allocatable_gpus(name); gpus > 0) allocatable["nvidia.com/gpu"] = std::to_string(gpus);
  Json spec = Json::object();
  if (bool_at(record, "/unschedulable")) spec["unschedulable"] = true;
  if (const Json taints = taints_of(name); !taints.empty()) spec["taints"] = taints;
  Json meta = metadata(name);
  meta["labels"] = labels;
  meta["uid"] = string_at(record, "/uid");
  meta["creationTimestamp"] = api_time(int_at(record, "/joined"));
  const Json ready = {{"type", "Ready"},
                      {"status", trouble.empty() ? "True"
                                 : silent        ? "Unknown"
                                                 : "False"},
                      {"reason", trouble.empty() ? "KubeletReady"
                                 : silent        ? "NodeStatusUnknown"
                                                 : "KubeletNotReady"},
                      {"message", trouble.empty() ? "kubelet is posting ready status" : trouble}};
  return {{"apiVersion", "v1"},
          {"kind", "Node"},
          {"metadata", meta},
          {"spec", spec},
          {"status",
           {{"addresses",
             {{{"type", "InternalIP"}, {"address", string_at(record, "/address")}},
              {{"type", "Hostname"}, {"address", name}}}},
            {"allocatable", allocatable},
            {"conditions", Json::array({ready})},
            {"nodeInfo", {{"kubeletVersion", string_at(record, "/version")}}}}}};
}

std::vector<Json> SimCluster::node_objects() const {
  std::vector<Json> out;
  for (const auto& [name, record] : state_.at("nodes").items()) out.push_back(node_object(name));
  return out;
}

std::vector<Json> SimCluster::pod_objects() const {
  std::vector<Json> out;
  for (const auto& [name, record] : state_.at("nodes").items()) {
    out.push_back(pod("kube-proxy-" + name, "kube-system", name, why_not_ready(name).empty()));
    if (operator_release() != nullptr && world_.gpus_of(name) > 0) {
      out.push_back(pod("nvidia-operator-validator-" + name, string_at(*operator_release(), "/namespace"), name,
                        allocatable_gpus(name) > 0 && world_.has_cuda(name)));
    }
  }
  for (const auto& [key, record] : member_at(state_, "/pods").items()) out.push_back(pod_object(record));
  return out;
}

std::vector<Json> SimCluster::daemonset_objects() const {
  std::vector<Json> out = {daemonset("kube-proxy", "kube-system")};
  if (cni() == "calico") out.push_back(daemonset("calico-node", "kube-system"));
  if (cni() == "flannel") out.push_back(daemonset("kube-flannel-ds", "kube-flannel"));
  return out;
}

std::vector<Json> SimCluster::crd_objects() const {
  std::vector<Json> out;
  for (const Json& name : state_.at("crds")) {
    out.push_back({{"apiVersion", "apiextensions.k8s.io/v1"},
                   {"kind", "CustomResourceDefinition"},
                   {"metadata", metadata(name)}});
  }
  return out;
}

std::vector<Json> SimCluster::objects(const std::string& type) const {
  std::vector<Json> out;
  if (type == "nodes") return node_objects();
  if (type == "pods") return pod_objects();
  if (type == "daemonsets") return daemonset_objects();
  if (type == "customresourcedefinitions") return crd_objects();
  if (type == "namespaces") {
    for (const auto& [name, record] : state_.at("namespaces").items()) {
      Json meta = metadata(name);
      meta["labels"] = record.at("labels");
      out.push_back({{"apiVersion", "v1"}, {"kind", "Namespace"}, {"metadata", meta}});
    }
  } else if (type == "configmaps") {
    out.push_back({{"apiVersion", "v1"},
                   {"kind", "ConfigMap"},
                   {"metadata", metadata("kubeadm-config", "kube-system")},
                   {"data", {{"ClusterConfiguration", to_yaml(state_.at("configuration"))}}}});
  } else if (type == "clusterpolicies" && operator_release() != nullptr) {
    out.push_back({{"apiVersion", "nvidia.com/v1"},
                   {"kind", "ClusterPolicy"},
                   {"metadata", metadata("cluster-policy")},
                   {"status", {{"state", operator_runs() && cuda_works_everywhere() ? "ready" : "notReady"}}}});
  }
  return out;
}

// https://kubernetes.io/docs/concepts/scheduling-eviction/taint-and-toleration/
bool is_tolerated(const Json& taint, const Json& tolerations) {
  return std::any_of(tolerations.begin(), tolerations.end(), [&](const Json& toleration) {
    const std::string key = string_at(toleration, "/key");
    const std::string effect = string_at(toleration, "/effect");
    const bool exists = string_at(toleration, "/operator") == "Exists";
    if (!effect.empty() && effect != string_at(taint, "/effect")) return false;
    if (key.empty()) return exists;
    return key == string_at(taint, "/key") && (exists || string_at(toleration, "/value") == string_at(taint, "/value"));
  });
}

std::vector<std::string> operator_crd_names(const std::string& version) {
  std::vector<std::string> out(std::begin(operator_crds), std::end(operator_crds));
  unsigned year = 0, month = 0;
  const bool is_later = std::sscanf(version.c_str(), "v%2u.%2u", &year, &month) == 2 && (year > 26 || (year == 26 && month >= 7));
  if (is_later) out.insert(out.end(), std::begin(later_operator_crds), std::end(later_operator_crds));
  return out;
}

}  // namespace gpuplan::sim
