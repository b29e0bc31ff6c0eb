// The parts of the simulated kubectl: what it shares, and its subcommands that change a cluster.
#pragma once

#include <string>

#include "host/sim/guest_argv.h"
#include "host/sim/guest_call.h"
#include "host/sim/guest_cluster.h"

namespace gpuplan::sim {

// "no", "node", "nodes" → "nodes"; a null pointer for what no server knows.
const std::string* resource_type(const std::string& word);
std::string group_of(const std::string& type);  // as errors name it: "daemonsets.apps"
CommandResult not_found(const std::string& type, const std::string& name);
CommandResult no_such_type(const std::string& word);

// words[0] is the subcommand itself. Each has been let through by GuestCall::changes().
CommandResult kubectl_cordon(GuestCall&, SimCluster&, const ParsedArgv&);
CommandResult kubectl_uncordon(GuestCall&, SimCluster&, const ParsedArgv&);
CommandResult kubectl_drain(GuestCall&, SimCluster&, const ParsedArgv&);
CommandResult kubectl_delete(GuestCall&, SimCluster&, const ParsedArgv&);
CommandResult kubectl_label(GuestCall&, SimCluster&, const ParsedArgv&);
CommandResult kubectl_taint(GuestCall&, SimCluster&, const ParsedArgv&);
CommandResult kubectl_set(GuestCall&, SimCluster&, const ParsedArgv&);
// Notes the time at which the namespace was made.
void add_namespace(SimCluster& cluster, const std::string& name, Json labels, std::int64_t now);
CommandResult kubectl_apply(GuestCall&, SimCluster&, const ParsedArgv&);
CommandResult kubectl_create(GuestCall&, SimCluster&, const ParsedArgv&);

}  // namespace gpuplan::sim
