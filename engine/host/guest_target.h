// How the nodes of a spec are reached.
#pragma once

#include <string>

#include "host/ports.h"
#include "spec/spec.h"

namespace gpuplan {

GuestTarget target_of(const ControlPlaneSpec& control_plane);
GuestTarget target_of(const WorkerSpec& worker);

// All that a login on a machine needs, as one text that can be kept:
// "ubuntu@10.0.0.5:22 ssh-ed25519 AAAA… /root/.ssh/id_ed25519".
std::string login_text(const MachineSpec& machine);
// From such a text; an empty one stands for a VM.
GuestTarget target_from(const std::string& node, const std::string& address, const std::string& login);

}  // namespace gpuplan
