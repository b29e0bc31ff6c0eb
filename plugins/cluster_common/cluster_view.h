// A Kubernetes cluster as kubectl on its control plane shows it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cluster_common/guest_session.h"

namespace gpuplan::cluster {

inline constexpr const char* admin_kubeconfig = "/etc/kubernetes/admin.conf";
// On every node that gpuplan brought in, and on namespaces that it made; the value is the cluster's name.
inline constexpr const char* owner_label = "gpuplan.io/cluster";

// `kubectl …` with the administrator's kubeconfig and a limit per request.
std::vector<std::string> kubectl(std::vector<std::string> arguments);

// "`gpuplan ssh CONTROL_PLANE … -- kubectl …`": how a user runs it.
std::string kubectl_by_ssh(const std::string& cluster, const std::string& control_plane, const std::string& arguments);

// What stands between us and a cluster's API.
enum class Reach {
  cluster,     // the API answers
  no_cluster,  // the guest answers, and there is no control plane on it
  no_guest,    // no domain of that name
  off,         // the guest is off
  trouble,     // the guest or the API does not answer
};

// Read-only. Functions below reach() throw HostError if kubectl fails.
class ClusterView {
 public:
  ClusterView(HostReader& host, GuestTarget control_plane) : guest_(host, std::move(control_plane)) {}

  GuestView& guest() { return guest_; }
  // Never throws HostError. `note` says in words what the trouble is.
  Reach reach(std::string& note);
  bool api_is_ready(std::string& seen);
  // Objects of a type ("nodes", "daemonsets"), in all namespaces.
  std::vector<Json> objects(const std::string& type);
  // A single object; nothing if it is not there. `in_namespace` may be empty.
  std::optional<Json> object(const std::string& type, const std::string& name, const std::string& in_namespace = "");
  std::optional<Json> node(const std::string& name) { return object("node", name); }

 private:
  Json query_json(const std::vector<std::string>& arguments);

  GuestView guest_;
};

void wait_for_api(StepContext& context, ClusterView& cluster);

// What to do if a node does not become Ready in time.
InVain look_at_kubelet(const StepContext& context, const std::string& node);
// What to do if the GPU Operator or its GPUs do not become ready in time.
InVain look_at_operator(const StepContext& context);
// The next step where a check could not ask a running cluster.
std::string ask_again(const std::string& cluster);

bool is_ready(const Json& node);
std::string why_not_ready(const Json& node);  // the kubelet's words; empty if Ready
std::int64_t allocatable_gpus(const Json& node);
std::string internal_address(const Json& node);
std::string label_of(const Json& object, const std::string& label);

}  // namespace gpuplan::cluster
