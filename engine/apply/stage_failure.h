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

}  // namespace gpuplan
