// Configuration files of kubeadm, checked as kubeadm checks them.
#pragma once

#include <map>
#include <string>

#include "host/sim/guest.h"

namespace gpuplan::sim {

// The documents of one file by kind. `error` is empty if kubeadm would accept them.
struct KubeadmConfig {
  std::map<std::string, Json> by_kind;  // "ClusterConfiguration" → document
  std::string warnings;                 // what kubeadm would print and go on
  std::string error;

  const Json& document(const std::string& kind) const;  // null if absent
};

// Reads `path` from the disk. `kubeadm_minor`: 34 for kubeadm 1.34, decides which API versions are known.
KubeadmConfig read_kubeadm_config(const GuestDisk& disk, const std::string& path, int kubeadm_minor);

// nodeRegistration.kubeletExtraArgs' value of node-labels ("a=b,c=d") as an object.
Json registered_labels(const Json& document);

// "15m0s", "24h" in seconds; -1 if it is not a duration.
std::int64_t parse_go_duration(const std::string& text);

}  // namespace gpuplan::sim
