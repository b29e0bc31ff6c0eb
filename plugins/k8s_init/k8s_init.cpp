#include "k8s_init.h"

#include <fmt/format.h>

#include <algorithm>

#include "cluster_common/kubeadm.h"
#include "cluster_common/stored_declaration.h"
#include "host/guest_target.h"
#include "plugin/plugin.h"

namespace gpuplan::k8s_init {
namespace {

using cluster::Reach;

CheckResult passed(const char* name, const Resource& resource, std::string found, std::string read_from) {
  return {name, resource.address, CheckStatus::pass, std::move(found), std::move(read_from), {}, false, {}};
}

constexpr const char* kubeadm_config = "ConfigMap kube-system/kubeadm-config";

// Compares one property of the running cluster that cannot be changed under it.
void check_fixed(std::vector<CheckResult>& out, const Resource& resource, const Spec& spec, const char* name,
                 const std::string& key, const std::string& is, const std::string& wanted,
                 const std::string& remedy, const char* read_from) {
  if (is == wanted) {
    out.push_back(passed(name, resource, is, read_from));
    return;
  }
  out.push_back({name, resource.address, CheckStatus::fail,
                 fmt::format("the running cluster has {}, the spec says {}", is, wanted), read_from, remedy, false,
                 locate(spec, key)});
}

// What the last apply left, of a cluster that cannot be asked now. Nothing if it did not get to its end, or if the control
// plane was somewhere else then.
std::optional<ClusterFound> last_applied(const ControlPlane& wanted, const Prior& prior) {
  if (!prior.complete || prior.declared.text("endpoint") != wanted.endpoint()) return std::nullopt;
  ClusterFound found;
  found.complete = true;
  found.name = prior.declared.text("cluster");
  found.version = prior.declared.text("version");
  // Of "1.34" nobody knows which patch it became.
  if (cluster::version_like(wanted.version, found.version) == found.version) found.version = wanted.version;
  found.endpoint = wanted.endpoint();
  found.pod_cidr = prior.declared.text("pod_cidr");
  found.service_cidr = prior.declared.text("service_cidr");
  found.cni = prior.declared.text("cni", "none");
  return found;
}

void check_cluster(std::vector<CheckResult>& out, const Resource& resource, const Spec& spec, const ClusterFound& found,
                   const char* read_from) {
  const ControlPlane wanted = ControlPlane::from(resource);
  if (found.name != wanted.cluster) {
    out.push_back(
        {"cluster-owner", resource.address, CheckStatus::fail,
         fmt::format("{} runs the cluster `{}`, which gpuplan did not make for `{}`", wanted.node, found.name,
                     wanted.cluster),
         read_from,
         fmt::format("choose another value for `cluster`; {} deletes the one that is there",
                     cluster::by_ssh(wanted.cluster, wanted.node, "kubeadm reset --force")),
         false, locate(spec, "cluster")});
    return;
  }
  const auto put_back = [&](const char* key, const std::string& is) {
    return only_a_new_cluster(fmt::format("`kubernetes.{}: {}`", key, is), wanted.cluster);
  };
  const std::string version = cluster::version_like(found.version, wanted.version);
  check_fixed(out, resource, spec, "kubernetes-version", "kubernetes.version",
              version, wanted.version, "gpuplan does not upgrade clusters yet: " + put_back("version", version), read_from);
  check_fixed(out, resource, spec, "pod-network", "kubernetes.pod_cidr", found.pod_cidr, wanted.pod_cidr,
              put_back("pod_cidr", found.pod_cidr), read_from);
  check_fixed(out, resource, spec, "service-network", "kubernetes.service_cidr", found.service_cidr,
              wanted.service_cidr, put_back("service_cidr", found.service_cidr), read_from);
  check_fixed(out, resource, spec, "endpoint", "network.cidr", found.endpoint, wanted.endpoint(),
              only_a_new_cluster("the old `network.cidr`", wanted.cluster), read_from);
  if (found.cni != "none" && wanted.cni != "none") {
    check_fixed(out, resource, spec, "cni", "kubernetes.cni", found.cni, wanted.cni,
                put_back("cni", found.cni), read_from);
  }
}

Json capture_cluster(const Change& change, cluster::ClusterView& view) {
  std::string note;
  const Reach reach = view.reach(note);
  if (reach == Reach::no_cluster || reach == Reach::no_guest || reach == Reach::off) return {{"cluster", false}};
  if (reach == Reach::cluster) {
    const ClusterFound found = find_cluster(view);
    return {{"cluster", found.complete}, {"cni", found.cni}};
  }
  if (change.action == Action::remove) return {{"cluster", true}};
  if (view.guest().presence() != cluster::Presence::answers) return {{"unknown", true}};
  // An API that is silent for now may belong to a whole cluster, which undo must not reset.
  return {{"cluster", has_manifests(view.guest()) && !view.guest().has(config_path)},
          {"cni", change.resource.declared.text("cni", "none")}};
}

}  // namespace

const Schema& K8sInit::schema() const {
  static const Schema schema = {
      {"cluster", ValueType::text, "", OnChange::replace, false, false, false},
      {"version", ValueType::text, "", OnChange::update, false, false, false},
      {"endpoint", ValueType::text, "", OnChange::replace, false, false, false},
      {"pod_cidr", ValueType::text, "", OnChange::replace, false, false, false},
      {"service_cidr", ValueType::text, "", OnChange::replace, false, false, false},
      {"cni", ValueType::text, "", OnChange::update, false, false, false},
      {"ready", ValueType::boolean, "", OnChange::update, false, false, false},
      {"login", ValueType::text, "", OnChange::update, false, false, false},
      {"cni_manifest", ValueType::text, "", OnChange::update, false, false, false},
      {"installed", ValueType::text, "", OnChange::update, false, true, false},
  };
  return schema;
}

std::vector<Resource> K8sInit::expand(const Spec& spec) const {
  if (!spec.kubernetes.enabled) return {};
  Resource resource;
  resource.address = Address(kind(), spec.control_plane.name);
  resource.declared = {{"cluster", spec.cluster},
                       {"version", spec.kubernetes.version},
                       {"endpoint", fmt::format("{}:{}", spec.control_plane.address, cluster::api_port)},
                       {"pod_cidr", spec.kubernetes.pod_cidr},
                       {"service_cidr", spec.kubernetes.service_cidr},
                       {"ready", true}};
  // With `none` the pod network is the user's own business, and nothing is declared of it.
  if (spec.kubernetes.cni != "none") resource.declared.set("cni", spec.kubernetes.cni);
  const auto manifest = spec.mirrors.manifests.find(spec.kubernetes.cni);
  if (manifest != spec.mirrors.manifests.end()) resource.declared.set("cni_manifest", manifest->second);
  if (spec.control_plane.machine)
    resource.declared.set("login", login_text(*spec.control_plane.machine));
  else
    resource.lives_in = {Address("vm-define", spec.control_plane.name)};
  resource.depends_on = resource.lives_in;
  resource.depends_on.emplace_back("node-prepare", spec.control_plane.name);
  resource.where = locate(spec, "kubernetes");
  return {resource};
}

std::optional<std::string> K8sInit::document(const Resource& resource, const Spec&, HostReader&) const {
  const ControlPlane wanted = ControlPlane::from(resource);
  const bool is_exact = std::count(wanted.version.begin(), wanted.version.end(), '.') == 2;
  if (is_exact) return init_config(wanted, "v" + wanted.version);
  return "# kubernetesVersion will be that of the guest's kubeadm.\n" + init_config(wanted, fmt::format("v{}.0", wanted.version));
}

std::vector<CheckResult> K8sInit::check(const Resource& resource, const Spec& spec, const Prior& prior,
                                        HostReader& host) const {
  std::vector<CheckResult> out;
  const ControlPlane wanted = ControlPlane::from(resource);
  if (wanted.cni == "flannel" && wanted.pod_cidr != flannel_pod_cidr) {
    out.push_back({"pod-network", resource.address, CheckStatus::fail,
                   fmt::format("kubernetes.pod_cidr is {}, but Flannel's manifest has {} built in", wanted.pod_cidr,
                               flannel_pod_cidr),
                   "", fmt::format("set kubernetes.pod_cidr to {}, or kubernetes.cni to calico", flannel_pod_cidr),
                   false, locate(spec, "kubernetes.pod_cidr")});
  }
  cluster::ClusterView view(host, wanted.target());
  std::string note;
  const Reach reach = view.reach(note);
  if (reach == Reach::off || reach == Reach::trouble) {
    if (const auto found = last_applied(wanted, prior)) check_cluster(out, resource, spec, *found, "the last apply");
    return out;
  }
  if (reach != Reach::cluster) return out;
  try {
    const ClusterFound found = find_cluster(view);
    if (found.complete) check_cluster(out, resource, spec, found, kubeadm_config);
  } catch (const HostError& error) {
    out.push_back({"kubernetes-version",
                   resource.address,
                   CheckStatus::warn,
                   fmt::format("whether the running cluster fits the spec could not be read: {}", error.what()),
                   "",
                   cluster::ask_again(wanted.cluster),
                   false,
                   {}});
  }
  return out;
}

Observation K8sInit::observe(const Resource& resource, const Prior& prior, HostReader& host) const {
  const ControlPlane wanted = ControlPlane::from(resource);
  cluster::ClusterView view(host, wanted.target());
  std::string note;
  const Reach reach = view.reach(note);
  if (reach == Reach::off && prior.complete)
    return cluster::assumed_as_declared(prior.declared, note);
  Observation observed;
  try {
    if (reach != Reach::cluster) {
      if (!note.empty()) observed.unreadable.push_back(note);
      return observed;
    }
    const ClusterFound found = find_cluster(view);
    if (!found.complete || view.guest().has(config_path)) return observed;  // kubeadm init was cut short
    observed.exists = true;
    const std::optional<Json> node = view.node(wanted.node);
    const bool ready = wanted.cni == "none" || (node && cluster::is_ready(*node));
    observed.attributes = {{"cluster", found.name},
                           {"version", cluster::version_like(found.version, wanted.version)},
                           {"endpoint", found.endpoint},
                           {"pod_cidr", found.pod_cidr},
                           {"service_cidr", found.service_cidr},
                           {"cni", view.guest().has(unfinished_network_path) ? "none" : found.cni},
                           {"ready", ready},
                           {"installed", found.version}};
    for (const auto& [name, value] : observed.attributes)
      observed.read_from[name] = kubeadm_config;
    cluster::observe_what_was_told(observed, resource, prior);
    observed.read_from["cni"] = "DaemonSets of the cluster";
    observed.read_from["ready"] = fmt::format("Node {}", wanted.node);
  } catch (const HostError& error) {
    observed = {};
    observed.unreadable.emplace_back(error.what());
  }
  return observed;
}

Change K8sInit::compare(const Resource& resource, const Observation& observed, const Prior& prior) const {
  Change change = StepKind::compare(resource, observed, prior);
  if (change.action == Action::create) {
    const std::string cni = resource.declared.text("cni");
    change.notes.push_back(cni.empty()
                               ? "nodes stay NotReady until you install a pod network (kubernetes.cni is none)"
                               : fmt::format("{} comes from {}", cni, ControlPlane::from(resource).manifest()));
  }
  return change;
}

void K8sInit::plan_removal(Change& change, const RemovalScope& scope) const {
  if (scope.is_withdrawn(Address("vm-define", change.address.name()))) {
    change.has_withdraw = false;
    change.notes.emplace_back("goes with its VM");
    return;
  }
  change.has_withdraw = true;
  change.withdraw_is_irreversible = true;
  change.irreversible.emplace_back("everything stored in the cluster is deleted (kubeadm reset)");
}

// The undo record: whether a whole cluster was there before, and with which pod network; or that this
// could not be seen.
Json K8sInit::capture(const Change& change, HostReader& host) const {
  cluster::ClusterView view(host, ControlPlane::from(change.resource).target());
  return capture_cluster(change, view);
}

}  // namespace gpuplan::k8s_init

GPUPLAN_PLUGIN(gpuplan::k8s_init::K8sInit, "k8s-init", "makes the control plane: kubeadm init and a pod network");
