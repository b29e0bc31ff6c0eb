// A spec as text, so that two can be compared and one can be pinned.
#pragma once

#include <string>

#include "spec/spec.h"

namespace gpuplan {

// Every field but `file` and `sha256`, one to a line.
std::string describe_spec(const Spec& spec);
// All diagnostics as they are printed without color, in their order.
std::string render_all(const Diagnostics& diagnostics);

}  // namespace gpuplan
