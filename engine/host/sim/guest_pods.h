// Pods that somebody made in a simulated cluster: admission, scheduling, and what their programs do.
#pragma once

#include "host/sim/guest_argv.h"
#include "host/sim/guest_call.h"
#include "host/sim/guest_cluster.h"

namespace gpuplan::sim {

// Virtual seconds: until a new namespace has its service account, and until a pod's image is there and it has
// started.
inline constexpr std::int64_t service_account_after = 1;
inline constexpr std::int64_t pod_starts_after = 4;

// Why a pod cannot be made, as the API server would say it; nothing if it can. `in` is its namespace.
std::optional<std::string> pod_problem(SimCluster& cluster, GuestWorld& world, const Json& manifest,
                                       const std::string& in);
void add_pod(SimCluster& cluster, GuestWorld& world, const Json& manifest, const std::string& in);

// Brings pods as far as they have got by now: onto a node that has the GPUs they ask for, and to their end.
void settle_pods(SimCluster& cluster, GuestWorld& world);

// One item of SimCluster::state()["pods"] as the API shows it.
Json pod_object(const Json& record);
CommandResult kubectl_logs(GuestCall& call, SimCluster& cluster, const ParsedArgv& arguments);

}  // namespace gpuplan::sim
