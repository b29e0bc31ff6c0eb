// A stage that did not work, in words.
#pragma once

#include <exception>
#include <string>
#include <string_view>

#include "plugin/resource.h"

namespace gpuplan {

struct StageFailure {
  std::string error;        // what, where, why
  std::string output_tail;  // last lines of a failed command, or what a defective plugin threw; may be empty
};

// Words for anything a plugin call threw. `entry_point` is the function of the step kind.
StageFailure describe_failure(const std::exception_ptr& thrown, std::string_view kind, std::string_view entry_point);

// How `now` differs from `then` ("`driver` was nvidia and is vfio-pci now"); empty if it does not. Of
// attributes that `schema` calls sensitive only the name is told.
std::string describe_move(const Schema& schema, const Observation& then, const Observation& now);

}  // namespace gpuplan
