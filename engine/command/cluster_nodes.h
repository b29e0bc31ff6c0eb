// The cluster that a verb works with once it has been made, and its machines by name.
#pragma once

#include <string>
#include <vector>

#include "command/session.h"

namespace gpuplan::command {

// The spec at `path`, or if that is empty the one of the cluster's last run, completed from host and journal, which
// are opened. Throws Failure, also if gpuplan has made nothing for the cluster on this host.
Spec open_cluster(Session& session, const std::string& path);

// Throws Failure if the spec makes VMs without Kubernetes.
void require_kubernetes(const Spec& spec);

GuestTarget control_plane_target(const Spec& spec);
// Of the control plane, if the spec makes one, and of all workers, in the order of the spec.
std::vector<GuestTarget> all_targets(const Spec& spec);
// `name` is a node ("gpu-worker-1") or what the spec calls it ("worker-1", "control-plane"). Throws Failure.
GuestTarget find_target(const Spec& spec, const std::string& name);

// Throws Failure if the node is a VM of this host that is off.
void require_running(Session& session, const GuestTarget& target);
// The file into which the hypervisor writes what the node's serial console says; empty if there is no such VM. Throws
// HostError.
std::string console_log_of(Session& session, const std::string& node);
// Throws Failure for --json, of verbs that only pass on what a guest prints.
void refuse_json(const Session& session);

}  // namespace gpuplan::command
