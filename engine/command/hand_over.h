// Programs that take the place of this one.
#pragma once

#include <string>
#include <vector>

namespace gpuplan::command {

// Becomes the program argv[0], which is looked up where every command of gpuplan is, with this process's terminal,
// standard streams and what keep_known_environment() left of its environment. Does not return. Throws HostError if there is no such program or it cannot be
// run.
[[noreturn]] void hand_over(const std::vector<std::string>& argv);

}  // namespace gpuplan::command
