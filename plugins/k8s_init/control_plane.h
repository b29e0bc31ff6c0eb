// The control plane of one cluster, as far as k8s-init makes it.
#pragma once

#include <string>

#include "cluster_common/cluster_view.h"

namespace gpuplan::k8s_init {

// Put before `kubeadm init` and taken away after it: while it is there, what stands in
// /etc/kubernetes is half made, and ours to reset.
inline constexpr const char* config_path = "/root/gpuplan-kubeadm-init.yaml";

// There while the pod network's manifest is applied: kubectl goes on after an object that it cannot make, and may be killed
// between two. What was made until then looks like a pod network, and is none.
inline constexpr const char* unfinished_network_path = "/root/gpuplan-pod-network-unfinished";

// What the spec wants of it: the declared attributes, taken apart.
struct ControlPlane {
  std::string node;
  std::string address;
  std::string cluster;
  std::string version;  // "1.34" or "1.34.2"
  std::string pod_cidr;
  std::string service_cidr;
  std::string cni;  // calico | flannel | none
  std::string login;  // of a machine; empty for a VM
  std::string mirrored_manifest;  // where the CNI's manifest comes from instead; empty: from where it is published

  static ControlPlane from(const Resource& resource);
  GuestTarget target() const;
  std::string endpoint() const;  // "192.168.130.10:6443"
  std::string manifest() const;  // URL of the CNI's manifest; empty for the CNI "none"
};

// Where a CNI is installed from: a manifest of a pinned release, which may depend on that of Kubernetes. Empty for "none".
std::string cni_manifest(const std::string& cni, const std::string& kubernetes);
inline constexpr const char* flannel_pod_cidr = "10.244.0.0/16";  // what its manifest has built in

// The file for `kubeadm init --config`: InitConfiguration, ClusterConfiguration, and KubeletConfiguration if need be.
std::string init_config(const ControlPlane& wanted, const std::string& kubeadm_version);
// The kubernetesVersion to ask for. Throws HostError::refused if that kubeadm cannot install it.
std::string version_to_install(const ControlPlane& wanted, const std::string& kubeadm_version);

// What a guest's cluster is like now; nothing in it if kubeadm did not get to its end there.
struct ClusterFound {
  bool complete = false;
  std::string name;
  std::string version;  // "v1.34.2"
  std::string endpoint;
  std::string pod_cidr;
  std::string service_cidr;
  std::string cni = "none";
};

// Throws HostError if the API does not answer.
ClusterFound find_cluster(cluster::ClusterView& view);

// What to do about a property of a running cluster that the spec now has otherwise. `old`: what the spec should say again.
std::string only_a_new_cluster(const std::string& old, const std::string& cluster);

// Whether files of a control plane are there, whole or half made.
bool has_manifests(cluster::GuestView& guest);

}  // namespace gpuplan::k8s_init
