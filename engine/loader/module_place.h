// Where code may come from when root runs it.
#pragma once

#include <string>

namespace gpuplan {

// Why somebody else than root could put code at `path` (absolute, without symlinks): a sentence part
// that names the first offender among the path and all its parents. Empty if only root could.
std::string place_problem(const std::string& path);

}  // namespace gpuplan
