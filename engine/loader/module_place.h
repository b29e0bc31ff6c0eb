// Where code may come from when root runs it.
#pragma once

#include <string>

namespace gpuplan {

// Why somebody else than root could put code at a place, and what mends it.
struct PlaceProblem {
  std::string why;     // a sentence part that names the offender; empty if there is none
  std::string remedy;  // with the command that mends it
};

// Of `path` (absolute, without symlinks) and all its parents: the first that others than root could
// write to. A sticky directory of root's, such as /tmp, may stand above the one that holds modules.
PlaceProblem place_problem(const std::string& path);

}  // namespace gpuplan
