// One worker's membership in the cluster.
#pragma once

#include <optional>
#include <string>

#include "cluster_common/cluster_view.h"
#include "labels_and_taints.h"

namespace gpuplan::worker_join {

// The JoinConfiguration with its token; on the worker for no longer than the join takes.
inline constexpr const char* config_path = "/root/gpuplan-kubeadm-join.yaml";
// Written by kubeadm join: this guest is a member of some cluster.
inline constexpr const char* kubelet_conf = "/etc/kubernetes/kubelet.conf";
inline constexpr const char* token_ttl = "15m";

struct Worker {
  std::string node;
  std::string address;
  std::string cluster;
  std::string login;  // of a machine; empty for a VM
  GuestTarget control_plane;
  bool expects_ready = true;  // false without a pod network of ours
  Texts labels;
  Texts taints;

  static Worker from(const Attributes& declared);
  GuestTarget target() const;
};

// What `kubeadm token create --print-join-command` prints, taken apart.
struct JoinTicket {
  std::string endpoint;  // "192.168.130.10:6443"
  std::string token;
  std::string ca_hash;  // "sha256:…"
};

// Throws HostError::failed, without the token in its text, if a part is missing.
JoinTicket parse_join_command(const std::string& output);

// The file for `kubeadm join --config`. The CA is always pinned.
std::string join_config(const Worker& worker, const JoinTicket& ticket, const std::string& kubeadm_version);

// What to do about a node of that name that gpuplan did not bring in.
std::string rename_or_delete(const Worker& worker);
bool is_ours(const Json& node, const Worker& worker);
bool is_schedulable(const Json& node);

}  // namespace gpuplan::worker_join
