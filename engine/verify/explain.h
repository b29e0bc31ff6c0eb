// The known reasons for which a GPU cluster does not work, told from what was seen.
#pragma once

#include <optional>
#include <string>

#include "verify/test_pods.h"
#include "verify/verification.h"

namespace gpuplan::verify {

struct Explanation {
  std::string found;   // what was seen, in a few words
  std::string reason;  // empty: not known
  std::string next;
  bool gpu_is_missing = false;  // in the guest: the host may know more
};

// Of a pod that did not succeed. Pure.
Explanation explain_pod(const TestPod& pod, const PodOutcome& outcome, const VerifyRequest& request);

// Of a pod that succeeded, but saw `seen` GPUs. Pure.
Explanation explain_count(const TestPod& pod, std::size_t seen, const VerifyRequest& request);

// Of a node that offers other than the planned GPUs: asks nvidia-smi on the worker itself.
Explanation explain_gpus(const VerifiedWorker& worker, std::int64_t offered, const VerifyRequest& request,
                         Host& host);

// What is wrong on the host with a GPU of a worker, so that it cannot be in the guest: gone, not on vfio-pci, in an IOMMU
// group with somebody else, not in the VM. Nothing if the host sees no reason, or cannot be read. `found` goes into it.
std::optional<Explanation> explain_on_host(const VerifiedWorker& worker, const std::string& found, const VerifyRequest& request,
                                           Host& host);

// "; more time: …" for what was waited for; empty if nothing was.
std::string or_more_time(const VerifyRequest& request);

// Lines of `nvidia-smi -L` that are GPUs. Pure.
std::size_t count_gpus(const std::string& text);

}  // namespace gpuplan::verify
