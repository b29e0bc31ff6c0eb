// Whether a cluster does what it was made for: its nodes, its GPUs, and programs that use them.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "host/ports.h"
#include "spec/bdf.h"

namespace gpuplan {

enum class VerifyStatus { pass, fail, skipped };
std::string_view to_string(VerifyStatus status);

struct VerifyResult {
  std::string check;    // "node-ready", "cuda-vectoradd"
  std::string subject;  // the node; of the cluster as a whole its control plane
  VerifyStatus status = VerifyStatus::pass;
  std::string found;   // what was seen, or why it was skipped
  std::string reason;  // of a failure: what is behind it, if that is known
  std::string next;    // of a failure: what to do
};

struct Verification {
  std::vector<VerifyResult> results;
  std::string left_behind;  // what could not be removed again, with the reason; empty if nothing
  bool passed() const;      // nothing failed
};

struct VerifiedWorker {
  GuestTarget target;
  std::int64_t gpus = 0;  // planned
  std::vector<Bdf> on_host = {};  // the same GPUs on the host; none for a machine that is no VM of it
};

struct VerifyRequest {
  std::string cluster;
  std::string spec = "SPEC";  // as suggested commands name it
  GuestTarget control_plane;
  std::vector<VerifiedWorker> workers;
  std::chrono::seconds patience{0};  // with nodes and operator pods that are not ready yet, as after a reboot
  bool has_operator = true;          // something makes Kubernetes offer GPUs
  bool driver_in_container = false;  // the operator brings the driver
  // Called with what is being done, on the caller's thread. May be empty.
  std::function<void(const std::string&)> progress;
  // "gpuplan VERB…" with the flags that make it mean this server.
  std::function<std::string(const std::string& words)> suggest;
};

// Asks the cluster through kubectl on its control plane, again and again until it is ready or the patience is over or
// something is missing that does not come by itself; then runs pods in the namespace gpuplan-verify, which is
// removed again whatever happens. The caller must hold the cluster's lock. What does not answer is a failed check.
// Throws Interrupted, after the namespace was removed. Waits on the host's clock.
// Source: https://docs.nvidia.com/datacenter/cloud-native/gpu-operator/latest/getting-started.html
Verification verify_cluster(const VerifyRequest& request, Host& host);

}  // namespace gpuplan
