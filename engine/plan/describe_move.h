// Words for a host that changed under a plan.
#pragma once

#include <string>

#include "plugin/resource.h"

namespace gpuplan {

// How `now` differs from `then` ("`driver` was nvidia and is vfio-pci now"); empty if it does not. Of
// attributes that `schema` calls sensitive only the name is told.
std::string describe_move(const Schema& schema, const Observation& then, const Observation& now);

}  // namespace gpuplan
