// The Helm release of NVIDIA's GPU Operator.
// Source: https://docs.nvidia.com/datacenter/cloud-native/gpu-operator/latest/getting-started.html
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cluster_common/cluster_view.h"
#include "spec/supported_versions.h"

namespace gpuplan::gpu_operator {

inline constexpr const char* repository = "https://helm.ngc.nvidia.com/nvidia";
inline constexpr const char* chart = "gpu-operator";
inline constexpr const char* release_name = "gpu-operator";
inline constexpr const char* release_namespace = "gpu-operator";
inline constexpr const char* values_path = "/root/gpuplan-gpu-operator-values.yaml";
inline constexpr const char* pod_security_label = "pod-security.kubernetes.io/enforce";

// The chart's version for what the spec says: "v26.3.2" for "26.3.2", "v26.3.2" and "".
std::string chart_version(const std::string& in_spec);
// Our values, by which driver and toolkit are the operator's or the nodes' own, with those of the spec merged over them; canonical JSON. Throws HostError::refused if
// `values_json` is not a JSON object.
std::string merged_values(const std::string& driver, const std::string& values_json);
// What the spec's own values say about driver.enabled; nothing if they do not.
std::optional<bool> driver_in_values(const std::string& values_json);

struct Release {
  std::string version;  // "v26.3.2"
  std::string status;   // "deployed", "pending-install", …
  std::string values;   // canonical JSON
};

// `helm …` with the administrator's kubeconfig, in the release's namespace.
std::vector<std::string> helm(std::vector<std::string> arguments);
// `helm upgrade --install …` of the chart in a repository (https://, http://) or registry (oci://). Its values are in
// values_path.
std::vector<std::string> helm_upgrade(const std::string& from, const std::string& version);
// The newest revision; nothing if there is no release. Throws HostError if Helm fails otherwise. It asks with what every
// Helm 3 and 4 has: `helm get metadata` came with 3.13 only, and `helm list --all` went with 4.
std::optional<Release> find_release(cluster::GuestView& control_plane);
// "ready", "notReady"; empty without a ClusterPolicy.
std::string cluster_policy_state(cluster::ClusterView& view);
// Names of the CRDs that the chart brings and the cluster has.
std::vector<std::string> present_crds(cluster::ClusterView& view);

}  // namespace gpuplan::gpu_operator
