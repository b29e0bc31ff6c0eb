// A stage that did not work, in words.
#pragma once

#include <exception>
#include <string>

#include "plugin/resource.h"

namespace gpuplan {

struct StageFailure {
  std::string error;        // what, where, why
  std::string output_tail;  // last lines of a failed command, or what a defective plugin threw; may be empty
};

// Words for anything that ended a stage: HostError, PluginDefect, or else a defect of gpuplan itself.
StageFailure describe_failure(const std::exception_ptr& thrown);

// How `now` differs from `then` ("`driver` was nvidia and is vfio-pci now"); empty if it does not. Of
// attributes that `schema` calls sensitive only the name is told.
std::string describe_move(const Schema& schema, const Observation& then, const Observation& now);

}  // namespace gpuplan
