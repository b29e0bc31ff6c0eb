// How much room there is on a host's disks.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "host/ports.h"

namespace gpuplan {

// Bytes that are free where `directory` (absolute) is or would be made, as df(1) says; nothing if the host does not tell.
// Never throws HostError. Thread-safe if `host` is.
std::optional<std::int64_t> free_bytes_for(std::string directory, HostReader& host);

}  // namespace gpuplan
