// The words for a wait that was in vain, the same in every step kind.
#pragma once

#include <cstdint>
#include <string>

namespace gpuplan {

// "waited 10m for node gpu-worker-1 to become Ready, in vain". Pure.
std::string waited_in_vain(const std::string& what, std::int64_t limit_seconds);

// "more time: `timeouts: {node_ready: 20m}` in the spec": twice the time that was not enough, at
// most the day that a spec can ask for. `key` is one of the
// spec's section `timeouts`. Pure.
std::string more_time(const std::string& key, std::int64_t limit_seconds);

}  // namespace gpuplan
