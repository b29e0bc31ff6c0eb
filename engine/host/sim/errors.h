// HostErrors as the kernel's and libvirt's answers become on a real host.
#pragma once

#include <chrono>
#include <string>

#include "host/host_error.h"

namespace gpuplan::sim {

// "cannot write /sys/…: no such device". `verb` is the operation, `error_number` an errno value.
HostError file_error(const std::string& verb, const std::string& path, int error_number);

// The answer to a call that never ended: "cannot write /sys/…: no answer within 60 s; …".
HostError hang_error(const std::string& verb, const std::string& path, std::chrono::seconds limit);

// "cannot start domain gpu-worker-1: REASON".
HostError libvirt_error(HostError::Kind kind, const std::string& operation, const std::string& subject,
                        const std::string& reason);

}  // namespace gpuplan::sim
