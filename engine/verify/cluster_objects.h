// What objects of the Kubernetes API say.
#pragma once

#include <cstdint>
#include <string>

#include "json/json.h"

namespace gpuplan::verify {

inline constexpr const char* gpu_resource = "nvidia.com/gpu";

std::string name_of(const Json& object);
// The condition Ready of a node; null without one.
const Json& ready_condition(const Json& node);
// The GPUs in allocatable or limits: a whole number as text. 0 without any.
std::int64_t gpus_in(const Json& quantities);
// Whether a pod does not run any more, nor will again.
bool has_ended(const Json& pod);

}  // namespace gpuplan::verify
