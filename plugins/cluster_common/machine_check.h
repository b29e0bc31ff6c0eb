// Whether a machine that exists already lets gpuplan in and become root.
#pragma once

#include "plugin/step_kind.h"

namespace gpuplan::cluster {

// Adds one result for a machine, and none for a VM, which cannot be asked before it is made. A machine that is a node
// already may be off: that is a warning. `prior`: of the resource that the result belongs to.
void check_machine(std::vector<CheckResult>& out, const Resource& resource, const GuestTarget& target,
                   const std::string& last_login, const Prior& prior, HostReader& host);

}  // namespace gpuplan::cluster
