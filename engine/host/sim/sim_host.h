// A modelled GPU server behind the Host ports.
#pragma once

#include <memory>
#include <string>

#include "host/ports.h"
#include "report/diagnostic.h"

namespace gpuplan {

// Opens the simulated host described by `file`, with its current model below `state_dir` if there is
// one. Problems of the file are added to `diagnostics`, at their line; the result is then empty.
// The format of the file: specs/hosts/README.md.
std::unique_ptr<Host> open_sim_host(const std::string& file, const std::string& state_dir, Diagnostics& diagnostics);

}  // namespace gpuplan
