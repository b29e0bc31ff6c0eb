// Who else could write the spec that root carries out.
#pragma once

#include <optional>
#include <string>

#include "report/diagnostic.h"

namespace gpuplan::command {

// A warning if others than root can change the spec at `path` or put another one in its place.
std::optional<Diagnostic> spec_place_warning(const std::string& path);

}  // namespace gpuplan::command
