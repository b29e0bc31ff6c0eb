// Runs scripts/guest, which are built in, on a node.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "cluster_common/guest_session.h"

namespace gpuplan::cluster {

struct GuestScript {
  std::string name;     // of a file in scripts/guest, without ".sh"
  std::string purpose;  // "setting up containerd"
  std::vector<std::string> arguments;
  std::map<std::string, std::string> files;  // by path: what has to be on the guest before it runs; nothing secret
};

// The exit status of a script's --check that finds something missing (scripts/guest/lib.sh).
inline constexpr int incomplete = 10;

// How a script is run. The text comes through standard input: nothing of it has to be on the guest.
Command command_of(const GuestScript& script, bool check, std::chrono::seconds limit);
// What to say where a --check exits with neither 0 nor `incomplete`.
HostError check_failure(const std::string& node, const GuestScript& script, const CommandResult& result);
// Runs one script if its --check finds something missing. Throws HostError.
void run_script(Guest& guest, const GuestScript& script, StepContext& context);

// Runs those of the scripts whose --check finds something missing. Waits for the guest's first boot to have ended, and
// takes at most Timeouts::guest_boot for each. Can be repeated at any time. Throws HostError.
void provision(Guest& guest, const std::vector<GuestScript>& scripts, StepContext& context);

// The text of a script with what it shares with the others. `name` must be one. Defined in a source that CMake makes.
std::string_view script_text(std::string_view name);

}  // namespace gpuplan::cluster
