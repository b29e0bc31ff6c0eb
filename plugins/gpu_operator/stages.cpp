#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "cluster_common/provision.h"
#include "cluster_common/stored_declaration.h"
#include "gpu_operator.h"

namespace gpuplan::gpu_operator {
namespace {

using cluster::ClusterView;
using cluster::Guest;
using cluster::kubectl;

constexpr std::chrono::seconds kubectl_limit{120};

cluster::GuestScript helm_script(const Spec& spec) {
  cluster::GuestScript script{"helm", "installing Helm", {}, {}};
  if (!spec.mirrors.helm.empty()) script.arguments = {"--repository", spec.mirrors.helm};
  return script;
}

std::chrono::seconds helm_limit(const StepContext& context) {
  return std::chrono::seconds(context.spec().timeouts.operator_ready);
}

// The control plane, from which everything here is done.
struct Cluster {
  Cluster(const Change& change, Host& host, StepContext& context)
      : guest(host, cluster::control_plane_of(change.resource.declared), context),
        view(host, cluster::control_plane_of(change.resource.declared)) {}
  Guest guest;
  ClusterView view;
};

// The operator's pods are privileged; a namespace that enforces less would refuse them.
void ensure_namespace(Cluster& in, bool ours, StepContext& context) {
  std::optional<Json> found = in.view.object("namespace", release_namespace);
  if (!found) {
    in.guest.run(kubectl({"create", "namespace", release_namespace}), kubectl_limit);
    found = in.view.object("namespace", release_namespace);
  }
  std::vector<std::string> labels;
  if (!found || cluster::label_of(*found, pod_security_label) != "privileged")
    labels.push_back(fmt::format("{}=privileged", pod_security_label));
  const std::string owner = context.spec().cluster;
  if (ours && (!found || cluster::label_of(*found, cluster::owner_label) != owner))
    labels.push_back(fmt::format("{}={}", cluster::owner_label, owner));
  if (labels.empty()) return;
  std::vector<std::string> arguments = {"label", "namespace", release_namespace, "--overwrite"};
  arguments.insert(arguments.end(), labels.begin(), labels.end());
  in.guest.run(kubectl(arguments), kubectl_limit);
}

// Of such a release there is nothing to go back to.
bool is_only_half_there(const std::string& status) { return status == "pending-install" || status == "uninstalling"; }

// Helm refuses to touch a release whose last operation was cut short.
void release_the_lock(Cluster& in, StepContext& context) {
  const std::optional<Release> release = find_release(in.guest);
  if (!release) return;
  const bool half_there = is_only_half_there(release->status);
  if (!half_there && release->status.rfind("pending", 0) != 0) return;
  context.progress(fmt::format("clearing the release {}, left {}", release_name, release->status));
  in.guest.run(helm({half_there ? "uninstall" : "rollback", release_name}), helm_limit(context));
}

void install(Cluster& in, const std::string& from, const std::string& version, const std::string& values, StepContext& context) {
  release_the_lock(in, context);
  const std::optional<Release> release = find_release(in.guest);
  if (release && release->status == "deployed" && release->version == version && release->values == values) return;
  context.progress(fmt::format("helm upgrade --install {} {}", release_name, version));
  in.guest.put_secret(values_path, to_yaml(parse_json(values, "values of the release")));
  in.guest.run(helm_upgrade(from, version), helm_limit(context));
}

std::string chart_source(const Change& change) { return change.resource.declared.text("chart_repository", repository); }

void wait_for_policy(Cluster& in, StepContext& context) {
  cluster::wait_for(context, "the GPU Operator's ClusterPolicy to become ready",
                    context.spec().timeouts.operator_ready, [&](std::string& seen) {
                      const std::string state = cluster_policy_state(in.view);
                      seen = state.empty() ? "there is no ClusterPolicy" : fmt::format("its state is {}", state);
                      return state == "ready";
                    },
                    cluster::look_at_operator(context));
}

void wait_for_gpus(Cluster& in, StepContext& context) {
  cluster::wait_for(context, "the planned GPUs of every worker to become allocatable",
                    context.spec().timeouts.operator_ready, [&](std::string& seen) {
                      seen.clear();
                      for (const WorkerSpec& worker : context.spec().workers) {
                        const std::int64_t planned = worker.gpu_count();
                        if (worker.machine && planned == 0) continue;  // whatever it has, nobody declared it
                        const std::optional<Json> node = in.view.node(worker.name);
                        const std::int64_t now = node ? cluster::allocatable_gpus(*node) : 0;
                        if (now == planned) continue;
                        seen +=
                            fmt::format("{}{} offers {} of {}", seen.empty() ? "" : ", ", worker.name, now, planned);
                      }
                      return seen.empty();
                    },
                    cluster::look_at_operator(context));
}

void remove_crds(Cluster& in, const Json& before) {
  std::vector<std::string> arguments = {"delete", "crd", "--ignore-not-found"};
  const std::size_t none = arguments.size();
  std::set<std::string> kept;
  for (const Json& crd : member_at(before, "/crds")) {
    if (crd.is_string()) kept.insert(crd.get<std::string>());
  }
  for (const std::string& crd : present_crds(in.view)) {
    if (kept.count(crd) == 0) arguments.push_back(crd);
  }
  if (arguments.size() > none) in.guest.run(kubectl(arguments), kubectl_limit);
}

// Takes away what was not there in `before`: an undo record, or null if everything was.
void remove_release(Cluster& in, const Json& before, bool with_crds, StepContext& context) {
  if (find_release(in.guest)) {
    context.progress(fmt::format("helm uninstall {}", release_name));
    in.guest.run(helm({"uninstall", release_name, "--wait"}), helm_limit(context));
  }
  in.guest.remove(values_path);
  if (before.is_null()) return;
  if (with_crds) remove_crds(in, before);
  if (member_at(before, "/namespace").is_null()) {
    if (in.view.object("namespace", release_namespace)) {
      in.guest.run(kubectl({"delete", "namespace", release_namespace, "--ignore-not-found"}), kubectl_limit);
    }
  }
}

// Gives a namespace that was there before its label back.
void restore_label(Cluster& in, const Json& before) {
  const Json& captured = member_at(before, "/namespace");
  const std::optional<Json> found = in.view.object("namespace", release_namespace);
  if (captured.is_null() || !found) return;
  const std::string was = string_at(captured, "/pod_security");
  if (cluster::label_of(*found, pod_security_label) == was) return;
  const std::string change =
      was.empty() ? fmt::format("{}-", pod_security_label) : fmt::format("{}={}", pod_security_label, was);
  in.guest.run(kubectl({"label", "namespace", release_namespace, "--overwrite", change}), kubectl_limit);
}

bool cluster_can_be_reached(Cluster& in, StepContext& context) {
  if (!cluster::wait_to_undo(context, in.guest) || !in.guest.has(cluster::admin_kubeconfig)) return false;
  cluster::wait_for_api(context, in.view);
  return true;
}

}  // namespace

void GpuOperator::apply(const Change& change, const Json& captured, Host& host, StepContext& context) const {
  Cluster in(change, host, context);
  cluster::wait_for_login(context, in.guest);
  cluster::wait_for_api(context, in.view);
  cluster::provision(in.guest, {helm_script(context.spec())}, context);
  ensure_namespace(in, member_at(captured, "/namespace").is_null(), context);
  install(in, chart_source(change), change.resource.declared.text("version"), change.resource.declared.text("values"), context);
  in.guest.remove(values_path);
  wait_for_policy(in, context);
  wait_for_gpus(in, context);
}

void GpuOperator::withdraw(const Change& change, const Json&, const Json& origin, Host& host,
                           StepContext& context) const {
  Cluster in(change, host, context);
  if (!cluster_can_be_reached(in, context)) return;
  remove_release(in, origin, context.spec().gpu_operator.remove_crds, context);
  restore_label(in, origin);
}

void GpuOperator::undo(Stage stage, const Change& change, const Json& captured, Host& host,
                       StepContext& context) const {
  Cluster in(change, host, context);
  if (stage == Stage::commit || !cluster_can_be_reached(in, context)) return;
  const Json& release = member_at(captured, "/release");
  if (release.is_null() || is_only_half_there(string_at(release, "/status"))) {
    remove_release(in, captured, true, context);
  } else {
    if (stage == Stage::withdraw) ensure_namespace(in, true, context);
    install(in, chart_source(change), string_at(release, "/version"), string_at(release, "/values"), context);
    in.guest.remove(values_path);
    if (bool_at(to_json(change.before.attributes), "/ready")) wait_for_policy(in, context);
  }
  restore_label(in, captured);
}

}  // namespace gpuplan::gpu_operator
