// Whether a machine that exists already lets gpuplan in and become root, and is the one that is meant.
#pragma once

#include "plugin/step_kind.h"

namespace gpuplan::node_prepare {

// Adds results for a machine, and none for a VM, which cannot be asked before it is made. A machine that is a node
// already may be off: that is a warning. `last_address`: of the machine that the node was at the last apply, empty for a VM.
// `prior`: of the resource that the results belong to.
void check_machine(std::vector<CheckResult>& out, const Resource& resource, const GuestTarget& target,
                   const std::string& last_address, const Prior& prior, HostReader& host);

}  // namespace gpuplan::node_prepare
