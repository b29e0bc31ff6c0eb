// What a node has installed before kubeadm runs on it: the work of scripts/guest, which are built in.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "cluster_common/guest_session.h"

namespace gpuplan::cluster {

struct GuestScript {
  std::string name;     // of a file in scripts/guest, without ".sh"
  std::string purpose;  // "setting up containerd"
  std::vector<std::string> arguments;
};

// For a node that is to join the spec's cluster, in the order in which they have to run.
std::vector<GuestScript> node_scripts(const Spec& spec, const GuestTarget& node, bool with_driver);
GuestScript helm_script();

// Runs those of the scripts whose --check finds something missing. Waits for the guest's first boot to have ended, and
// takes at most Timeouts::guest_boot for each. Can be repeated at any time. Throws HostError.
void provision(Guest& guest, const std::vector<GuestScript>& scripts, StepContext& context);

// The text of a script with what it shares with the others. `name` must be one. Defined in a source that CMake makes.
std::string_view script_text(std::string_view name);

}  // namespace gpuplan::cluster
