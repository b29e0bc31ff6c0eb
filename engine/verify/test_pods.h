// Pods that use GPUs for a moment, in a namespace of their own.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "verify/cluster_api.h"

namespace gpuplan::verify {

inline constexpr const char* test_namespace = "gpuplan-verify";
// NVIDIA's CUDA sample. Its image has nvidia-smi too, once the container toolkit has put it there, so that one image
// is enough. Source: https://docs.nvidia.com/datacenter/cloud-native/gpu-operator/latest/getting-started.html
inline constexpr const char* sample_image = "nvcr.io/nvidia/k8s/cuda-sample:vectoradd-cuda12.5.0-ubuntu22.04";

struct TestPod {
  std::string name;
  std::string node;
  std::int64_t gpus = 1;
  std::vector<std::string> command;  // empty: the image's own
  std::vector<std::string> taints;   // keys that it must tolerate besides nvidia.com/gpu
};

enum class PodEnd {
  succeeded,
  failed,
  waiting,  // it did not get to its end in time, or never will
};

struct PodOutcome {
  PodEnd end = PodEnd::waiting;
  Json pod;           // as it was seen last; null if it could not be made
  std::string log;    // of its container, if it ran
  std::string error;  // why it could not be made
};

// What is sent to the API server for a pod. Pure.
Json manifest_of(const TestPod& pod, const std::string& cluster);

// The namespace, from make() to the end of this object.
class TestNamespace {
 public:
  // `left_behind` is told what could not be removed; it must outlive this object.
  TestNamespace(ClusterApi& api, std::string cluster, std::string& left_behind)
      : api_(api), cluster_(std::move(cluster)), left_behind_(left_behind) {}
  ~TestNamespace();
  TestNamespace(const TestNamespace&) = delete;
  TestNamespace& operator=(const TestNamespace&) = delete;

  // First removes what a killed gpuplan has left. Throws HostError: Kind::refused if the namespace
  // is somebody else's.
  void make();

 private:
  void remove();

  ClusterApi& api_;
  const std::string cluster_;
  std::string& left_behind_;
  bool made_ = false;
};

// Makes the pods, all at once, and waits for the end of each. In the order of `pods`. Throws HostError and
// Interrupted.
std::vector<PodOutcome> run_pods(ClusterApi& api, const std::vector<TestPod>& pods, const std::string& cluster);

}  // namespace gpuplan::verify
