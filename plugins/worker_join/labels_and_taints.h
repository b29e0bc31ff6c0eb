// The labels and taints that the spec gives a worker's Node, as texts: "tier=training", "dedicated=gpu:NoSchedule".
// Only those count whose keys the spec declares or has declared at the last apply; what others put there is not ours.
#pragma once

#include <string>
#include <vector>

#include "plugin/step_kind.h"

namespace gpuplan::worker_join {

using Texts = std::vector<std::string>;

Texts texts_of_labels(const WorkerSpec& worker);
Texts texts_of_taints(const WorkerSpec& worker);

// All that a Node has, sorted.
Texts labels_of(const Json& node);
Texts taints_of(const Json& node);
// What tells two of them apart, whatever their values: "tier", "dedicated:NoSchedule".
std::string identity_of(const std::string& text);
// Those of `present` that have the identity of one in `known`.
Texts those_known(const Texts& present, const Texts& known);
Texts joined(Texts first, const Texts& second);
// Those that a change of the attribute `name` ("labels", "taints") may touch: what was found and what is wanted.
Texts concerned(const Change& change, const char* name);

// The arguments by which `kubectl label` or `kubectl taint` leads from `present` to `wanted`; empty if nothing differs.
Texts edits(const Texts& present, const Texts& wanted);

// For nodeRegistration.taints of kubeadm's configuration.
Json taints_for_kubeadm(const Texts& taints);

// The first of a worker's taints that keeps the pods of the GPU Operator from it; a null pointer if there is none.
// Source: daemonsets.tolerations in the chart's values, which the spec's own values replace: then nothing is known.
const NodeTaint* taint_against_operator(const WorkerSpec& worker, const GpuOperatorSpec& gpu_operator);

}  // namespace gpuplan::worker_join
