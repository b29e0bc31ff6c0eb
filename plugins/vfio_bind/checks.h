// What stands against giving a GPU to a VM.
#pragma once

#include <vector>

#include "plugin/plugin.h"

namespace gpuplan::vfio_bind {

// All checks of one vfio-bind resource. If the device is missing or hangs, only that is reported.
// May throw HostError, but not for a device that hangs.
std::vector<CheckResult> check_gpu(const Resource& resource, const Spec& spec, const Prior& prior, HostReader& host);

}  // namespace gpuplan::vfio_bind
