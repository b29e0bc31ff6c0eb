// Programs of this machine, run to their end. The only user of Boost.Process.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "host/local/child_process.h"
#include "host/ports.h"

namespace gpuplan {

// The directories in which argv[0] is looked up, and the PATH of every command.
std::vector<std::string> command_path();

// Runs `command` without a shell, in a session of its own and with nothing of this process but its
// standard streams, working directory and HOME. Signal handlers and SIGCHLD of this process are left
// alone. Throws HostError: not_found if there is no such program, timed_out (and the command and the
// processes it started in its group are killed) after command.limit, failed if it cannot be started.
// A command that cannot even be killed is added to `abandoned`. Thread-safe.
CommandResult run_command(const Command& command, AbandonedChildren& abandoned);

}  // namespace gpuplan
