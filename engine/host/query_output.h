// What a program says, where silence is an answer as well. Read-only.
#pragma once

#include <string>
#include <vector>

#include "host/ports.h"

namespace gpuplan {

// What a command that changes nothing prints; empty if it fails or is not there. Throws HostError::timed_out.
std::string query_output(HostReader& host, std::vector<std::string> argv);

}  // namespace gpuplan
