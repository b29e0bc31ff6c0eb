#include <fmt/format.h>
#include <fmt/ranges.h>

#include <set>
#include <sstream>

#include "cluster_common/kubeadm.h"
#include "worker_join.h"

namespace gpuplan::worker_join {
namespace {

using cluster::ClusterView;
using cluster::Guest;
using cluster::kubectl;

constexpr std::chrono::seconds kubectl_limit{60};

std::chrono::seconds kubeadm_limit(const StepContext& context) {
  return std::chrono::seconds(context.spec().timeouts.kubeadm);
}

// The two machines that a join concerns.
struct Sides {
  Sides(const Worker& joining, Host& host, StepContext& context)
      : worker(joining),
        guest(host, worker.target(), context),
        control_plane(host, worker.control_plane, context),
        view(host, worker.control_plane) {}

  Worker worker;
  Guest guest;
  Guest control_plane;
  ClusterView view;
};

std::int64_t planned_gpus(const Sides& sides, const StepContext& context) {
  for (const WorkerSpec& worker : context.spec().workers) {
    if (worker.name == sides.worker.node) return worker.gpu_count();
  }
  return 0;
}

void join_with(Sides& sides, const JoinTicket& ticket, StepContext& context) {
  const std::string kubeadm_version = cluster::installed_kubeadm(sides.guest);
  try {
    sides.guest.put_secret(config_path, join_config(sides.worker, ticket, kubeadm_version));
    sides.guest.run({"kubeadm", "join", "--config", config_path}, kubeadm_limit(context));
  } catch (const std::exception&) {
    try {
      sides.guest.remove(config_path);
    } catch (const std::exception& error) {
      context.log(fmt::format("{} stays on {}: {}", config_path, sides.worker.node, error.what()));
    }
    throw;
  }
  sides.guest.remove(config_path);
}

// Its first part is a name and no secret.
void delete_token(Sides& sides, const JoinTicket& ticket, StepContext& context) {
  sides.control_plane.run({"kubeadm", "token", "delete", ticket.token.substr(0, ticket.token.find('.'))},
                          kubeadm_limit(context));
}

void join(Sides& sides, StepContext& context) {
  context.progress(fmt::format("kubeadm join on {}", sides.worker.node));
  const JoinTicket ticket = parse_join_command(sides.control_plane.run_for_secret(
      {"kubeadm", "token", "create", "--ttl", token_ttl, "--print-join-command"}, kubeadm_limit(context)));
  try {
    join_with(sides, ticket, context);
    delete_token(sides, ticket, context);  // used once, it need not live on until it expires
  } catch (const std::exception&) {
    try {
      delete_token(sides, ticket, context);
    } catch (const std::exception& error) {
      context.log(fmt::format("a token stays on {} until it expires in {}: {}", sides.worker.control_plane.node, token_ttl, error.what()));
    }
    throw;
  }
}

void refuse_foreign(const Sides& sides, const Json& node, const Change& change) {
  if (is_ours(node, sides.worker) || change.action == Action::update) return;
  throw HostError(
      HostError::Kind::refused, sides.worker.node,
      fmt::format("the cluster has a node {} that gpuplan did not bring in; {}", sides.worker.node,
                  rename_or_delete(sides.worker)));
}

void wait_until_ready(Sides& sides, StepContext& context) {
  const std::string& name = sides.worker.node;
  if (!sides.worker.expects_ready) {
    cluster::wait_for(context, fmt::format("node {} to register", name), context.spec().timeouts.node_ready,
                      [&](std::string&) { return sides.view.node(name).has_value(); },
                      cluster::look_at_kubelet(context, name));
    return;
  }
  cluster::wait_for(context, fmt::format("node {} to become Ready", name), context.spec().timeouts.node_ready,
                    [&](std::string& seen) {
                      const std::optional<Json> node = sides.view.node(name);
                      seen = node ? cluster::why_not_ready(*node) : fmt::format("there is no node {}", name);
                      return seen.empty();
                    },
                    cluster::look_at_kubelet(context, name));
}

// `kubectl label` or `kubectl taint`, as far as there is something to change.
void edit_node(Sides& sides, const char* verb, const Texts& present, const Texts& wanted) {
  const Texts arguments = edits(present, wanted);
  if (arguments.empty()) return;
  sides.control_plane.run(kubectl(joined(joined({verb, "node", sides.worker.node}, arguments), {"--overwrite"})),
                          kubectl_limit);
}

// Leaves those keys alone that are neither in `labels` and `taints` nor in what the change found there.
void edit_labels_and_taints(Sides& sides, const Json& node, const Change& change, const Texts& labels, const Texts& taints) {
  edit_node(sides, "label", those_known(labels_of(node), concerned(change, "labels")), labels);
  edit_node(sides, "taint", those_known(taints_of(node), concerned(change, "taints")), taints);
}

void label_and_uncordon(Sides& sides, const Change& change) {
  const std::optional<Json> node = sides.view.node(sides.worker.node);
  if (!node) return;
  if (!is_ours(*node, sides.worker)) {
    edit_node(sides, "label", {}, {fmt::format("{}={}", cluster::owner_label, sides.worker.cluster)});
  }
  edit_labels_and_taints(sides, *node, change, sides.worker.labels, sides.worker.taints);
  if (!is_schedulable(*node)) sides.control_plane.run(kubectl({"uncordon", sides.worker.node}), kubectl_limit);
}

// A worker that comes to a cluster whose operator is there already gets its GPUs from that one; on the
// first apply the operator comes later and waits for them itself.
void wait_for_gpus(Sides& sides, StepContext& context) {
  const std::int64_t planned = planned_gpus(sides, context);
  if (planned == 0 || !context.spec().gpu_operator.enabled) return;
  if (!sides.view.object("crd", "clusterpolicies.nvidia.com") ||
      sides.view.objects("clusterpolicies.nvidia.com").empty())
    return;
  cluster::wait_for(context,
                    fmt::format("the {} planned GPUs of {} to become allocatable", planned, sides.worker.node),
                    context.spec().timeouts.operator_ready, [&](std::string& seen) {
                      const std::optional<Json> node = sides.view.node(sides.worker.node);
                      const std::int64_t now = node ? cluster::allocatable_gpus(*node) : 0;
                      seen = fmt::format("allocatable nvidia.com/gpu of {} is {}", sides.worker.node, now);
                      return now == planned;
                    },
                    cluster::look_at_operator(context));
}

// What kubectl said of each pod that it could not evict, once and without that it would try again; else its complaint.
std::string why_not_drained(const CommandResult& result) {
  std::set<std::string> reasons;
  std::istringstream lines(result.errors);
  for (std::string line; std::getline(lines, line);) {
    const std::size_t begin = line.find(" (will retry after ");
    const std::size_t end = begin == std::string::npos ? begin : line.find("s): ", begin);
    if (end == std::string::npos) continue;
    line.erase(begin, end + 2 - begin);
    if (line.back() == '.') line.pop_back();
    reasons.insert(line);
  }
  return reasons.empty() ? cluster::complaint_of(result) : fmt::format("{}", fmt::join(reasons, "; "));
}

// Each line once: kubectl says the same of a pod every few seconds.
std::string without_repeats(const std::string& text) {
  std::set<std::string> seen;
  std::string out;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (seen.insert(line).second) out += line + "\n";
  }
  return out;
}

void drain(Sides& sides, StepContext& context) {
  const std::int64_t limit = context.spec().timeouts.node_ready;
  context.progress(fmt::format("draining {}", sides.worker.node));
  const Command command{kubectl({"drain", sides.worker.node, "--ignore-daemonsets", "--delete-emptydir-data",
                                 fmt::format("--timeout={}s", limit)}),
                        {}, std::chrono::seconds(limit) + kubectl_limit};
  const CommandResult result = sides.control_plane.try_run(command);
  if (result.ok()) return;
  // kubectl itself proposes --force, which would delete pods that nothing makes again.
  const auto by_kubectl = [&](const std::string& arguments) {
    return cluster::kubectl_by_ssh(sides.worker.cluster, sides.worker.control_plane.node, arguments);
  };
  throw HostError(
      HostError::Kind::failed, join_argv(command.argv),
      fmt::format("{} could not be drained: {}; {} shows the pods that stay, {} the budgets that may hold them; delete the "
                  "pods that may go, then run the same command again",
                  sides.worker.node, why_not_drained(result),
                  by_kubectl("get pods -A -o wide --field-selector spec.nodeName=" + sides.worker.node), by_kubectl("get pdb -A")),
      without_repeats(result.errors));
}

Texts texts_at(const Json& captured, const char* pointer) {
  Texts out;
  for (const Json& text : member_at(captured, pointer)) {
    if (text.is_string()) out.push_back(text.get<std::string>());
  }
  return out;
}

// Takes the Node away if it is ours, and what kubeadm left on the worker. `was_member`: for longer than the join that is
// taken back, so that it has pods, which go first.
void leave(Sides& sides, bool was_member, StepContext& context) {
  if (cluster::wait_to_undo(context, sides.control_plane) && sides.control_plane.has(cluster::admin_kubeconfig)) {
    cluster::wait_for_api(context, sides.view);
    const std::optional<Json> node = sides.view.node(sides.worker.node);
    if (node && is_ours(*node, sides.worker)) {
      if (was_member) sides.control_plane.run(kubectl({"cordon", sides.worker.node}), kubectl_limit);
      // The pods of a dead node cannot say that they have ended; they move once the Node is gone.
      if (was_member && cluster::is_ready(*node)) drain(sides, context);
      sides.control_plane.run(kubectl({"delete", "node", sides.worker.node, "--ignore-not-found"}), kubectl_limit);
    }
  }
  if (!cluster::wait_to_undo(context, sides.guest)) return;
  if (sides.guest.has(kubelet_conf))
    cluster::reset_kubeadm(sides.guest, context);
  else if (was_member)
    cluster::remove_pod_network(sides.guest, context);
  sides.guest.remove(config_path);
}

}  // namespace

void WorkerJoin::apply(const Change& change, const Json&, Host& host, StepContext& context) const {
  Sides sides(Worker::from(change.resource.declared), host, context);
  cluster::wait_for_login(context, sides.control_plane);
  cluster::wait_for_api(context, sides.view);
  cluster::wait_for_login(context, sides.guest);
  const std::optional<Json> node = sides.view.node(sides.worker.node);
  if (node) refuse_foreign(sides, *node, change);
  const bool member = sides.guest.has(kubelet_conf);
  if (!node || !member) {
    // Of a cluster that is gone, of a join that was cut short, or of a VM that was made anew.
    if (member) cluster::reset_kubeadm(sides.guest, context);
    if (node)
      sides.control_plane.run(kubectl({"delete", "node", sides.worker.node, "--ignore-not-found"}), kubectl_limit);
    join(sides, context);
  }
  wait_until_ready(sides, context);
  label_and_uncordon(sides, change);
  sides.guest.remove(config_path);
  wait_for_gpus(sides, context);
}

void WorkerJoin::withdraw(const Change& change, const Json&, const Json&, Host& host, StepContext& context) const {
  Sides sides(Worker::from(change.resource.declared), host, context);
  leave(sides, true, context);
}

void WorkerJoin::undo(Stage stage, const Change& change, const Json& captured, Host& host,
                      StepContext& context) const {
  Sides sides(Worker::from(change.resource.declared), host, context);
  if (stage == Stage::apply && !bool_at(captured, "/member")) {
    leave(sides, false, context);
    return;
  }
  if (stage == Stage::commit || !cluster::wait_to_undo(context, sides.control_plane)) return;
  const std::optional<Json> node = sides.view.node(sides.worker.node);
  if (!node) return;
  if (stage == Stage::withdraw) {
    if (bool_at(captured, "/schedulable") && !is_schedulable(*node))
      sides.control_plane.run(kubectl({"uncordon", sides.worker.node}), kubectl_limit);
    return;
  }
  if (!bool_at(captured, "/labelled", true) && is_ours(*node, sides.worker)) {
    sides.control_plane.run(kubectl({"label", "node", sides.worker.node, fmt::format("{}-", cluster::owner_label)}),
                            kubectl_limit);
  }
  edit_labels_and_taints(sides, *node, change, texts_at(captured, "/labels"), texts_at(captured, "/taints"));
  if (!bool_at(captured, "/schedulable", true) && is_schedulable(*node))
    sides.control_plane.run(kubectl({"cordon", sides.worker.node}), kubectl_limit);
}

}  // namespace gpuplan::worker_join
