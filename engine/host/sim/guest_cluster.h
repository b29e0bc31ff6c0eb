// The Kubernetes cluster on a simulated control plane's disk, as its API server shows it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "host/sim/guest.h"

namespace gpuplan::sim {

// Virtual seconds that things take to settle, so that whoever does not wait for them is found out.
inline constexpr std::int64_t node_settles_after = 15;
inline constexpr std::int64_t operator_settles_after = 60;

// A view over GuestDisk::state["cluster"]; that member must exist. Reading never changes the disk.
class SimCluster {
 public:
  SimCluster(GuestDisk& disk, GuestWorld& world) : state_(disk.state.at("cluster")), world_(world) {}

  Json& state() { return state_; }
  Json& nodes() { return state_.at("nodes"); }
  Json& releases() { return state_.at("releases"); }
  Json& namespaces() { return state_.at("namespaces"); }
  std::string ca_hash() const { return string_at(state_, "/ca_hash"); }
  std::string cni() const { return string_at(state_, "/cni"); }

  bool token_is_valid(const std::string& token) const;
  void add_token(const std::string& token, std::int64_t ttl_seconds);  // 0: never expires
  void forget_expired_tokens();

  // Empty if the node is Ready, else the kubelet's words. The node must exist.
  std::string why_not_ready(const std::string& node) const;
  // The operator's release, if it is deployed and its pods have had the time to start.
  bool operator_runs() const;
  std::size_t allocatable_gpus(const std::string& node) const;
  // A node's spec.taints. The node must exist.
  Json taints_of(const std::string& node) const;

  // API objects of one type ("nodes", "pods", "daemonsets", …), as in the items of a List.
  std::vector<Json> objects(const std::string& type) const;

 private:
  bool cuda_works_everywhere() const;
  Json node_object(const std::string& name) const;
  std::vector<Json> node_objects() const;
  std::vector<Json> pod_objects() const;
  std::vector<Json> daemonset_objects() const;
  std::vector<Json> crd_objects() const;
  const Json* operator_release() const;
  bool operator_is_kept_from(const std::string& node) const;

  Json& state_;
  GuestWorld& world_;
};

// Whether one of `tolerations` tolerates `taint`, both as the API has them.
bool is_tolerated(const Json& taint, const Json& tolerations);

// The resource types that a version of the gpu-operator chart ("v26.3.2") adds to a cluster.
std::vector<std::string> operator_crd_names(const std::string& version);

// A new cluster's state; `configuration` is its ClusterConfiguration.
Json new_cluster_state(const Json& configuration, const std::string& control_plane, const std::string& ca_hash,
                       std::int64_t now);
// What the pods of a pod network ("calico", "flannel") write on each node; nothing for "".
void write_cni_files(GuestDisk& disk, const std::string& cni);
// A node that has just registered.
Json new_node_state(const std::string& address, const std::string& version, const Json& labels, std::int64_t now);

}  // namespace gpuplan::sim
