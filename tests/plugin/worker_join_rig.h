// Two workers that join a control plane.
#pragma once

#include <string>

#include "fake_guest_host.h"

namespace gpuplan::test {

inline const std::string init = "k8s-init/gpu-control-plane";
inline const std::string prepare_1 = "node-prepare/gpu-worker-1";
inline const std::string join_1 = "worker-join/gpu-worker-1";
inline const std::string join_2 = "worker-join/gpu-worker-2";

inline FakeGuest& worker(ClusterRig& rig) { return rig.host.machines.at("gpu-worker-1"); }

// Everything that a join touches: the worker's disk, and the cluster but for tokens.
inline Json state(ClusterRig& rig) {
  Json cluster = rig.host.cluster();
  cluster.erase("tokens");
  return {{"worker", disk_without_packages(worker(rig).disk)}, {"cluster", cluster}};
}

}  // namespace gpuplan::test
