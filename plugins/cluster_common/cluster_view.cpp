#include "cluster_common/cluster_view.h"

#include <fmt/format.h>

#include <cstdlib>

#include "report/shell.h"

namespace gpuplan::cluster {
namespace {

const Json& ready_condition(const Json& node) {
  static const Json absent;
  for (const Json& condition : member_at(node, "/status/conditions")) {
    if (string_at(condition, "/type") == "Ready") return condition;
  }
  return absent;
}

}  // namespace

std::vector<std::string> kubectl(std::vector<std::string> arguments) {
  std::vector<std::string> argv = {"kubectl", "--kubeconfig", admin_kubeconfig};
  // drain has its own limit, which may be longer than that of one request.
  if (!arguments.empty() && arguments[0] != "drain") argv.emplace_back("--request-timeout=20s");
  argv.insert(argv.end(), std::make_move_iterator(arguments.begin()), std::make_move_iterator(arguments.end()));
  return argv;
}

std::string kubectl_by_ssh(const std::string& cluster, const std::string& control_plane, const std::string& arguments) {
  return by_ssh(cluster, control_plane, fmt::format("kubectl --kubeconfig {} {}", admin_kubeconfig, arguments));
}

Reach ClusterView::reach(std::string& note) {
  try {
    const Presence presence = guest_.presence();
    if (presence == Presence::absent) return Reach::no_guest;
    if (presence != Presence::answers) {
      note = guest_.trouble();
      return presence == Presence::off ? Reach::off : Reach::trouble;
    }
    if (!guest_.has(admin_kubeconfig)) return Reach::no_cluster;
    std::string seen;
    if (api_is_ready(seen)) return Reach::cluster;
    note = fmt::format("the Kubernetes API on {} does not answer: {}", guest_.target().node, seen);
  } catch (const HostError& error) {
    note = error.what();
  }
  return Reach::trouble;
}

bool ClusterView::api_is_ready(std::string& seen) {
  const std::vector<std::string> argv = kubectl({"get", "--raw", "/readyz"});
  const CommandResult result = guest_.query(argv);
  if (!result.ok()) seen = guest_failure(guest_.target().node, argv, result).what();
  return result.ok();
}

Json ClusterView::query_json(const std::vector<std::string>& arguments) {
  const std::vector<std::string> argv = kubectl(arguments);
  const CommandResult result = guest_.query(argv);
  if (!result.ok()) throw guest_failure(guest_.target().node, argv, result);
  if (result.output.find_first_not_of(" \n") == std::string::npos) return nullptr;
  try {
    return parse_json(result.output, fmt::format("output of `{}` on {}", join_argv(argv), guest_.target().node));
  } catch (const JsonError& error) {
    throw HostError(HostError::Kind::failed, join_argv(argv), error.what());
  }
}

std::vector<Json> ClusterView::objects(const std::string& type) {
  const Json list = query_json({"get", type, "--all-namespaces", "-o", "json"});
  std::vector<Json> out;
  for (const Json& item : member_at(list, "/items")) out.push_back(item);
  return out;
}

std::optional<Json> ClusterView::object(const std::string& type, const std::string& name,
                                        const std::string& in_namespace) {
  std::vector<std::string> arguments = {"get", type, name, "--ignore-not-found", "-o", "json"};
  if (!in_namespace.empty()) arguments.insert(arguments.end(), {"-n", in_namespace});
  Json found = query_json(arguments);
  if (found.is_null()) return std::nullopt;
  return found;
}

void wait_for_api(StepContext& context, ClusterView& cluster) {
  wait_for(context, fmt::format("an answer of the Kubernetes API on {}", cluster.guest().target().node),
           context.spec().timeouts.kubeadm, [&](std::string& seen) { return cluster.api_is_ready(seen); },
           {"kubeadm", by_ssh(context.spec().cluster, cluster.guest().target().node, "crictl ps -a") +
                           " shows whether its containers run"});
}

InVain look_at_kubelet(const StepContext& context, const std::string& node) {
  return {"node_ready", by_ssh(context.spec().cluster, node, "journalctl -u kubelet -n 50") + " shows what its kubelet misses"};
}

InVain look_at_operator(const StepContext& context) {
  const Spec& spec = context.spec();
  return {"operator", kubectl_by_ssh(spec.cluster, spec.control_plane.name, "get pods -n gpu-operator -o wide") +
                          " shows which part is missing"};
}

std::string ask_again(const std::string& cluster) {
  return fmt::format("`{}` says what is wrong with it; plan again when it answers", suggested("verify --cluster " + cluster));
}

bool is_ready(const Json& node) { return string_at(ready_condition(node), "/status") == "True"; }

std::string why_not_ready(const Json& node) {
  if (is_ready(node)) return {};
  const std::string message = string_at(ready_condition(node), "/message", "its kubelet has not reported yet");
  return fmt::format("{} is not Ready: {}", string_at(node, "/metadata/name"), message);
}

std::int64_t allocatable_gpus(const Json& node) {
  const Json& allocatable = member_at(node, "/status/allocatable");
  const auto found = allocatable.find("nvidia.com/gpu");
  return found != allocatable.end() && found->is_string() ? std::atoll(found->get<std::string>().c_str()) : 0;
}

std::string internal_address(const Json& node) {
  for (const Json& address : member_at(node, "/status/addresses")) {
    if (string_at(address, "/type") == "InternalIP") return string_at(address, "/address");
  }
  return {};
}

std::string label_of(const Json& object, const std::string& label) {
  const Json& labels = member_at(object, "/metadata/labels");
  const auto found = labels.find(label);
  return found != labels.end() && found->is_string() ? found->get<std::string>() : "";
}

}  // namespace gpuplan::cluster
