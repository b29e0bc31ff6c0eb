// Brings step kinds into the process. The only user of dlopen.
#pragma once

#include <string>
#include <vector>

#include "plan/step_kinds.h"
#include "report/diagnostic.h"

namespace gpuplan {

// Loads every module (*.so) in each directory, in name order, and adds its step kind to `kinds`.
// Each module passes named stages: place (root-owned when running as root), open, descriptor, magic,
// size, build tag, kind, create, schema. One that does not is an error that names the module, the stage, the
// reason and what its author should do; the others are loaded all the same. Modules are never closed.
void load_plugins(const std::vector<std::string>& directories, StepKinds& kinds, Diagnostics& diagnostics);

// The directory that belongs to the running program: ../lib/gpuplan/plugins beside its bin directory.
std::string installed_plugin_directory();

}  // namespace gpuplan
