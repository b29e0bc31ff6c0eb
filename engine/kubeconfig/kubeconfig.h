// kubeconfig files, in which kubectl finds clusters, users and the contexts that join them.
// Source: https://kubernetes.io/docs/reference/config-api/kubeconfig.v1/
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "report/diagnostic.h"

namespace gpuplan {

// Whose entries they are: written into each of them as an extension, which every client carries along unread.
struct KubeconfigOwner {
  std::string cluster;  // gpuplan's name of the cluster; also that of the entries
  std::string host;     // HostReader::identity() of the server that it runs on
};

struct MergedKubeconfig {
  std::string text;      // the whole file
  bool changed = false;  // false: `text` says what the file says already
  std::string current;   // its current context
};

// `own` with the cluster, user and context of `admin`, each under the name owner.cluster. All else in `own` keeps its
// values and its order; comments are lost, as with `kubectl config`. The context becomes the current one if `own` has
// none, or if `use_context`. Entries that gpuplan made earlier, and a cluster with the same certificate authority,
// are brought up to date; any other entry of that name is an error in `diagnostics`, as is what is no kubeconfig.
// Then nothing is returned. An empty `own` is an empty file. Thread-safe.
std::optional<MergedKubeconfig> merge_kubeconfig(const std::shared_ptr<const SourceFile>& own,
                                                 const std::shared_ptr<const SourceFile>& admin,
                                                 const KubeconfigOwner& owner, bool use_context,
                                                 Diagnostics& diagnostics);

// True if `own` has an entry that merge_kubeconfig made for `owner`. What cannot be read has none. Thread-safe.
bool has_entries_of(const std::shared_ptr<const SourceFile>& own, const KubeconfigOwner& owner);

}  // namespace gpuplan
