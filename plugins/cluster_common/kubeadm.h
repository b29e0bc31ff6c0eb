// kubeadm's configuration files and versions.
// Source: https://kubernetes.io/docs/reference/config-api/kubeadm-config.v1beta4/
#pragma once

#include <string>

#include "cluster_common/guest_session.h"

namespace gpuplan::cluster {

inline constexpr int api_port = 6443;
// Which container runtime is used: where a node has two, kubeadm does not choose one.
inline constexpr const char* cri_socket = "unix:///run/containerd/containerd.sock";

// 34 for "1.34", "v1.34.2"; 0 for anything else.
int minor_version(const std::string& version);
// "v1.34.2" cut to as many parts as `like` has: "1.34" for "1.35".
std::string version_like(const std::string& version, const std::string& like);

// "kubeadm.k8s.io/v1beta4" from 1.31 on, v1beta3 from 1.22 to 1.30, v1beta2 for 1.20 and 1.21.
std::string kubeadm_api_version(int minor);
// What kubeadm has to be told of the kubelet, which from 1.22 on is what it takes by itself: then nothing (null).
Json kubelet_configuration(int minor);
// kubeletExtraArgs that register a node at `address` with our label: a list in v1beta4, a mapping before.
Json kubelet_arguments(int minor, const std::string& cluster, const std::string& address);

// "v1.34.2": of the kubeadm that is installed. Throws HostError::failed if there is none.
std::string installed_kubeadm(GuestView& guest);

// `kubeadm reset`, and what it leaves behind of the pod network: a node's next one would be passed over for it.
void reset_kubeadm(Guest& guest, StepContext& context);
// The second part alone, for one that was killed after the first.
void remove_pod_network(Guest& guest, StepContext& context);

}  // namespace gpuplan::cluster
