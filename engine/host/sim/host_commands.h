// The programs of a simulated host: what their argv does to the model and what they print.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "host/ports.h"
#include "host/sim/model.h"

namespace gpuplan::sim {

// Interprets one argv. With `read_only`, a command that would change something is HostError::refused.
// An unknown program is HostError::not_found, as a failed exec. `hangs` is set if it never ends.
CommandResult run_host_command(Model& model, const Command& command, bool read_only, bool& hangs);

// The programs themselves; argv[0] is already known. `change` is called before anything is changed
// and throws if that is not allowed.
using MayChange = std::function<void()>;
CommandResult run_systemctl(Model& model, const std::vector<std::string>& argv, const MayChange& change);
CommandResult run_modprobe(Model& model, const std::vector<std::string>& argv, const MayChange& change, bool& hangs);
CommandResult run_nvidia_smi(Model& model, const std::vector<std::string>& argv, const MayChange& change);
CommandResult run_fmpm(Model& model, const std::vector<std::string>& argv, const MayChange& change);

// Module dependencies are loaded too.
void load_module(Model& model, const std::string& name);

}  // namespace gpuplan::sim
