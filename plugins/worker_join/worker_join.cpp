#include "worker_join.h"

#include <fmt/format.h>

#include <algorithm>

#include "cluster_common/stored_declaration.h"
#include "host/guest_target.h"
#include "plugin/plugin.h"
#include "spec/supported_versions.h"

namespace gpuplan::worker_join {
namespace {

using cluster::ClusterView;
using cluster::Reach;

// Adds the attribute `name` where the spec declares it or did at the last apply: what of `present` belongs to it.
void describe_texts(Observation& observed, const char* name, const Texts& present, const Attributes& declared,
                    const Prior& prior) {
  if (declared.find(name) == nullptr && prior.declared.find(name) == nullptr) return;
  observed.attributes.set(name, those_known(present, joined(declared.list(name), prior.declared.list(name))));
}

Observation describe(const Json& node, const Worker& worker, const Attributes& declared, const Prior& prior) {
  Observation observed;
  observed.exists = true;
  observed.attributes = {{"node", worker.node},
                         {"address", cluster::internal_address(node)},
                         {"cluster", cluster::label_of(node, cluster::owner_label)},
                         {"control_plane", worker.control_plane.node},
                         {"control_plane_address", worker.control_plane.address},
                         {"ready", cluster::is_ready(node)},
                         {"schedulable", is_schedulable(node)},
                         {"kubelet", string_at(node, "/status/nodeInfo/kubeletVersion")}};
  describe_texts(observed, "labels", labels_of(node), declared, prior);
  describe_texts(observed, "taints", taints_of(node), declared, prior);
  for (const auto& [name, value] : observed.attributes)
    observed.read_from[name] = fmt::format("Node {}", worker.node);
  observed.read_from["cluster"] = fmt::format("label {} of Node {}", cluster::owner_label, worker.node);
  return observed;
}

void check_taints(std::vector<CheckResult>& out, const Resource& resource, const Spec& spec) {
  for (const WorkerSpec& worker : spec.workers) {
    const NodeTaint* taint = worker.name == resource.address.name() ? taint_against_operator(worker, spec.gpu_operator) : nullptr;
    if (taint == nullptr) continue;
    out.push_back({"node-taints", resource.address, CheckStatus::fail,
                   fmt::format("{} has GPUs and the taint {}, which the GPU Operator's pods do not tolerate: its GPUs would "
                               "never be offered",
                               worker.name, taint->to_string()),
                   "",
                   "use the key nvidia.com/gpu with the effect NoSchedule, or tolerate the taint in gpu_operator.values: "
                   "daemonsets.tolerations and node-feature-discovery.worker.tolerations",
                   false, locate(spec, fmt::format("nodes.{}.taints", worker.key))});
  }
}

// The system and the driver that a worker with GPUs has, seen when it answers: the name of an image is only a guess.
void check_system(std::vector<CheckResult>& out, const Resource& resource, const Spec& spec, HostReader& host) {
  const GuestTarget target = Worker::from(resource.declared).target();
  const bool has_gpus = std::any_of(spec.workers.begin(), spec.workers.end(), [&](const WorkerSpec& worker) {
    return worker.name == target.node && worker.gpu_count() > 0;
  });
  try {
    if (!has_gpus || !spec.gpu_operator.enabled || !host.guests().answers(target)) return;
    const auto warn = [&](const char* name, const std::string& against, const std::string& file, const char* key) {
      if (against.empty()) return;
      out.push_back({name, resource.address, CheckStatus::warn, fmt::format("{}: {}", target.node, against),
                     fmt::format("{} of {}", file, target.node), "docs/versions.md says which are; GPUs may work nevertheless",
                     false, locate(spec, key)});
    };
    const std::string file = "/etc/os-release", driver = "/sys/module/nvidia/version";
    warn("node-system", why_unsupported(spec, system_of_os_release(host.guests().get(target, file).value_or(""))), file, "image");
    if (spec.gpu_operator.driver != "preinstalled") return;
    const std::string loaded = host.guests().get(target, driver).value_or("");
    warn("node-driver", why_driver_unsupported(spec, loaded.substr(0, loaded.find('\n'))), driver, "gpu_operator.driver");
  } catch (const HostError&) {
    // Its membership, which does need an answer, says what is wrong.
  }
}

}  // namespace

const Schema& WorkerJoin::schema() const {
  static const Schema schema = {
      {"node", ValueType::text, "", OnChange::replace, false, false, false},
      {"address", ValueType::text, "", OnChange::replace, false, false, false},
      {"cluster", ValueType::text, "", OnChange::update, false, false, false},
      {"control_plane", ValueType::text, "", OnChange::update, false, false, false},
      {"control_plane_address", ValueType::text, "", OnChange::update, false, false, false},
      {"control_plane_login", ValueType::text, "", OnChange::update, false, false, false},
      {"login", ValueType::text, "", OnChange::update, false, false, false},
      {"ready", ValueType::boolean, "", OnChange::update, false, false, false},
      {"schedulable", ValueType::boolean, "", OnChange::update, false, false, false},
      {"labels", ValueType::list, "", OnChange::update, false, false, false},
      {"taints", ValueType::list, "", OnChange::update, false, false, false},
      {"kubelet", ValueType::text, "", OnChange::update, false, true, false},
  };
  return schema;
}

std::vector<Resource> WorkerJoin::expand(const Spec& spec) const {
  std::vector<Resource> out;
  if (!spec.kubernetes.enabled) return out;
  for (const WorkerSpec& worker : spec.workers) {
    Resource resource;
    resource.address = Address(kind(), worker.name);
    resource.declared = {{"node", worker.name},
                         {"address", worker.address},
                         {"cluster", spec.cluster},
                         {"schedulable", true}};
    cluster::declare_control_plane(resource.declared, spec.control_plane);
    // Without a pod network no node ever becomes Ready; membership is then all there is to ask for.
    if (spec.kubernetes.cni != "none") resource.declared.set("ready", true);
    if (!worker.labels.empty()) resource.declared.set("labels", texts_of_labels(worker));
    if (!worker.taints.empty()) resource.declared.set("taints", texts_of_taints(worker));
    resource.lives_in = {Address("k8s-init", spec.control_plane.name)};
    if (worker.machine)
      resource.declared.set("login", login_text(*worker.machine));
    else
      resource.lives_in.emplace_back("vm-define", worker.name);
    resource.depends_on = resource.lives_in;
    resource.depends_on.emplace_back("node-prepare", worker.name);
    resource.where = worker.where;
    out.push_back(std::move(resource));
  }
  return out;
}

std::vector<CheckResult> WorkerJoin::check(const Resource& resource, const Spec& spec, const Prior& prior,
                                           HostReader& host) const {
  std::vector<CheckResult> out;
  check_taints(out, resource, spec);
  const Worker worker = Worker::from(resource.declared);
  check_system(out, resource, spec, host);
  ClusterView view(host, worker.control_plane);
  std::string note;
  if (prior.owned || view.reach(note) != Reach::cluster) return out;
  try {
    const std::optional<Json> node = view.node(worker.node);
    if (!node || is_ours(*node, worker)) return out;
    out.push_back({"node-name", resource.address, CheckStatus::fail,
                   fmt::format("the cluster has a node {} that gpuplan did not bring in (no label {}={})",
                               worker.node, cluster::owner_label, worker.cluster),
                   fmt::format("Node {}", worker.node),
                   rename_or_delete(worker), false, resource.where});
  } catch (const HostError& error) {
    out.push_back({"node-name", resource.address, CheckStatus::warn,
                   fmt::format("whether the node {} is somebody else's could not be read: {}", worker.node, error.what()),
                   "", cluster::ask_again(worker.cluster), false, resource.where});
  }
  return out;
}

Observation WorkerJoin::observe(const Resource& resource, const Prior& prior, HostReader& host) const {
  const Worker worker = Worker::from(resource.declared);
  ClusterView view(host, worker.control_plane);
  std::string note;
  const Reach reach = view.reach(note);
  if (reach == Reach::off && prior.complete)
    return cluster::assumed_as_declared(prior.declared, note);
  Observation observed;
  if (reach != Reach::cluster) {
    if (!note.empty()) observed.unreadable.push_back(note);
    return observed;
  }
  try {
    const std::optional<Json> node = view.node(worker.node);
    if (!node) return observed;
    cluster::GuestView guest(host, worker.target());
    // A worker that is off is not Ready, but its disk still holds its membership.
    const cluster::Presence presence = guest.presence();
    if (presence == cluster::Presence::off && prior.complete) {
      return cluster::assumed_as_declared(prior.declared, guest.trouble());
    }
    // A join that was cut short has left its token there: it has yet to be finished.
    if (presence == cluster::Presence::answers && guest.has(config_path)) return observed;
    Observation found = describe(*node, worker, resource.declared, prior);
    cluster::observe_what_was_told(found, resource, prior);
    return found;
  } catch (const HostError& error) {
    observed.unreadable.emplace_back(error.what());
  }
  return observed;
}

Change WorkerJoin::compare(const Resource& resource, const Observation& observed, const Prior& prior) const {
  Resource wanted = resource;
  // What the spec does not mention any more is taken away, and nothing else.
  for (const char* name : {"labels", "taints"}) {
    if (wanted.declared.find(name) == nullptr && !prior.declared.list(name).empty()) wanted.declared.set(name, Texts());
  }
  Change change = StepKind::compare(wanted, observed, prior);
  for (const AttributeChange& attribute : change.attributes) {
    const auto* taints = attribute.name == "taints" ? std::get_if<Texts>(&attribute.after) : nullptr;
    if (taints == nullptr || change.action != Action::update) continue;
    const bool evicts = std::any_of(taints->begin(), taints->end(), [](const std::string& taint) {
      return taint.size() > 10 && taint.substr(taint.size() - 10) == ":NoExecute";
    });
    if (evicts) change.notes.emplace_back("a taint with the effect NoExecute evicts pods that do not tolerate it");
  }
  return change;
}

void WorkerJoin::plan_removal(Change& change, const RemovalScope& scope) const {
  const Worker worker = Worker::from(change.resource.declared);
  const bool cluster_goes = scope.is_withdrawn(Address("k8s-init", worker.control_plane.node));
  const bool vm_goes = scope.is_withdrawn(Address("vm-define", change.address.name()));
  if (cluster_goes && vm_goes) {
    change.has_withdraw = false;
    change.notes.emplace_back("goes with its VM");
    return;
  }
  change.has_withdraw = true;
  change.withdraw_is_irreversible = true;
  change.irreversible.push_back(
      fmt::format("draining {} evicts its pods, and leaving the cluster ends its membership", worker.node));
  change.notes.push_back(fmt::format("{} is cordoned, drained, deleted from the cluster and reset", worker.node));
}

// The undo record: whether the worker was a member before, and what of its Node we would change.
Json WorkerJoin::capture(const Change& change, HostReader& host) const {
  const Worker worker = Worker::from(change.resource.declared);
  ClusterView view(host, worker.control_plane);
  cluster::GuestView guest(host, worker.target());
  std::string note;
  Json captured = {{"member", false}};
  if (view.reach(note) != Reach::cluster) return captured;
  const std::optional<Json> node = view.node(worker.node);
  if (!node) return captured;
  captured["member"] = guest.presence() == cluster::Presence::answers && guest.has(kubelet_conf);
  captured["labelled"] = is_ours(*node, worker);
  captured["schedulable"] = is_schedulable(*node);
  captured["labels"] = those_known(labels_of(*node), concerned(change, "labels"));
  captured["taints"] = those_known(taints_of(*node), concerned(change, "taints"));
  return captured;
}

}  // namespace gpuplan::worker_join

GPUPLAN_PLUGIN(gpuplan::worker_join::WorkerJoin, "worker-join", "brings a worker into the cluster: kubeadm join");
