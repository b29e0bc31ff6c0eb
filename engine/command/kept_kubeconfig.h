// The administrator's kubeconfig: fetched from the control plane, kept with the cluster's state.
#pragma once

#include <string>

#include "command/session.h"
#include "kubeconfig/kubeconfig.h"

namespace gpuplan::command {

struct FetchedKubeconfig {
  std::string text;
  std::string kept_because;  // why it is the kept copy, and not the control plane's own; empty: it is that one
};

// Fetches the kubeconfig and keeps it, mode 0600; if the control plane does not answer, the copy that was kept.
// Throws Failure if there is neither.
FetchedKubeconfig fetch_kubeconfig(Session& session, const Spec& spec);

// After a run that made a cluster: keeps its kubeconfig. What goes wrong is a warning.
void keep_kubeconfig(Session& session, const Spec& spec);

// After a run that took the cluster away: removes the kept copy, and says how to get rid of what was merged.
void forget_kubeconfig(Session& session);

// True if gpuplan owns a control plane here.
bool has_control_plane(Session& session);

KubeconfigOwner kubeconfig_owner(const Session& session);

// The user's own kubeconfig, an empty one if there is none. Throws Failure if it cannot be read.
std::shared_ptr<const SourceFile> read_own_kubeconfig(const std::string& path);

}  // namespace gpuplan::command
