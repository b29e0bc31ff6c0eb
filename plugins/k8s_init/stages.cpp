#include <fmt/format.h>

#include "cluster_common/kubeadm.h"
#include "k8s_init.h"

namespace gpuplan::k8s_init {
namespace {

using cluster::ClusterView;
using cluster::Guest;

// How long a half-made control plane may take to answer before it is reset and made anew.
constexpr std::int64_t half_made_limit = 120;

std::chrono::seconds kubeadm_limit(const StepContext& context) {
  return std::chrono::seconds(context.spec().timeouts.kubeadm);
}

void require_same_cluster(const ControlPlane& wanted, const ClusterFound& found) {
  const std::string version = cluster::version_like(found.version, wanted.version);
  std::string difference, old;
  if (found.name != wanted.cluster) {
    difference = fmt::format("is `{}` and not `{}`", found.name, wanted.cluster);
    old = "the old value of `cluster`";
  } else if (version != wanted.version) {
    difference = fmt::format("runs Kubernetes {}, the spec says {}", version, wanted.version);
    old = fmt::format("`kubernetes.version: {}`", version);
  } else if (found.pod_cidr != wanted.pod_cidr) {
    difference = fmt::format("has the pod network {}, the spec says {}", found.pod_cidr, wanted.pod_cidr);
    old = fmt::format("`kubernetes.pod_cidr: {}`", found.pod_cidr);
  } else if (found.service_cidr != wanted.service_cidr) {
    difference = fmt::format("has the service network {}, the spec says {}", found.service_cidr, wanted.service_cidr);
    old = fmt::format("`kubernetes.service_cidr: {}`", found.service_cidr);
  }
  if (difference.empty()) return;
  throw HostError(HostError::Kind::refused, wanted.node,
                  fmt::format("the cluster on {} {}; {}", wanted.node, difference, only_a_new_cluster(old, wanted.cluster)));
}

// Waits for a control plane whose init was cut short; false if it does not come up whole.
bool half_made_comes_up(ClusterView& view, StepContext& context) {
  try {
    cluster::wait_for(context, fmt::format("the half-made control plane on {}", view.guest().target().node),
                      half_made_limit, [&](std::string& seen) { return view.api_is_ready(seen); });
    return find_cluster(view).complete;
  } catch (const HostError&) {
    return false;
  }
}

// True if a whole cluster is there. Half-made ones are reset.
bool is_initialised(Guest& guest, ClusterView& view, StepContext& context) {
  const bool unfinished = guest.has(config_path);
  if (!has_manifests(guest)) return false;
  if (!unfinished) {
    cluster::wait_for_api(context, view);
    if (find_cluster(view).complete) return true;
    throw HostError(
        HostError::Kind::refused, guest.target().node,
        fmt::format("/etc/kubernetes on {} holds a control plane that is not complete and that gpuplan did not make; "
                    "look at it: {} deletes it",
                    guest.target().node,
                    cluster::by_ssh(context.spec().cluster, guest.target().node, "kubeadm reset --force")));
  }
  if (half_made_comes_up(view, context)) return true;
  cluster::reset_kubeadm(guest, context);
  return false;
}

void initialise(const ControlPlane& wanted, Guest& guest, StepContext& context) {
  const std::string kubeadm_version = cluster::installed_kubeadm(guest);
  guest.put_secret(config_path, init_config(wanted, kubeadm_version));
  context.progress(fmt::format("kubeadm init on {}", wanted.node));
  guest.run({"kubeadm", "init", "--config", config_path, "--skip-token-print"}, kubeadm_limit(context));
}

void wait_until_ready(const ControlPlane& wanted, ClusterView& view, StepContext& context) {
  cluster::wait_for(context, fmt::format("node {} to become Ready", wanted.node), context.spec().timeouts.node_ready,
                    [&](std::string& seen) {
                      const std::optional<Json> node = view.node(wanted.node);
                      seen = node ? cluster::why_not_ready(*node) : fmt::format("there is no node {}", wanted.node);
                      return seen.empty();
                    },
                    cluster::look_at_kubelet(context, wanted.node));
}

// By itself Calico takes the first address that a node has, whichever network that is in; the spec's is the one that the kubelet
// was told. Flannel has no word for that: it takes the interface of the default route, or one by its name or address.
// Source: https://docs.tigera.io/calico/latest/networking/ipam/ip-autodetection
void use_node_addresses(const std::string& cni, Guest& guest, StepContext& context) {
  if (cni != "calico") return;
  guest.run(cluster::kubectl({"set", "env", "daemonset/calico-node", "IP_AUTODETECTION_METHOD=kubernetes-internal-ip", "--namespace",
                              "kube-system"}), kubeadm_limit(context));
}

void remove_marks(Guest& guest) {
  guest.remove(config_path);
  guest.remove(unfinished_network_path);
}

}  // namespace

void K8sInit::apply(const Change& change, const Json&, Host& host, StepContext& context) const {
  const ControlPlane wanted = ControlPlane::from(change.resource);
  Guest guest(host, wanted.target(), context);
  ClusterView view(host, wanted.target());
  cluster::wait_for_login(context, guest);
  if (is_initialised(guest, view, context))
    require_same_cluster(wanted, find_cluster(view));
  else
    initialise(wanted, guest, context);
  cluster::wait_for_api(context, view);
  guest.remove(config_path);

  const std::string manifest = wanted.manifest();
  if (manifest.empty()) return;
  if (guest.has(unfinished_network_path) || find_cluster(view).cni != wanted.cni) {
    context.progress(fmt::format("installing {}", wanted.cni));
    guest.put_secret(unfinished_network_path, manifest + "\n");
    guest.run(cluster::kubectl({"apply", "-f", manifest}), kubeadm_limit(context));
    use_node_addresses(wanted.cni, guest, context);
    guest.remove(unfinished_network_path);
  }
  wait_until_ready(wanted, view, context);
}

void K8sInit::withdraw(const Change& change, const Json&, const Json&, Host& host, StepContext& context) const {
  Guest guest(host, ControlPlane::from(change.resource).target(), context);
  if (!cluster::wait_to_undo(context, guest)) return;
  if (has_manifests(guest))
    cluster::reset_kubeadm(guest, context);
  else
    cluster::remove_pod_network(guest, context);
  remove_marks(guest);
}

void K8sInit::undo(Stage stage, const Change& change, const Json& captured, Host& host, StepContext& context) const {
  if (stage != Stage::apply) return;  // a reset is never undone
  const ControlPlane wanted = ControlPlane::from(change.resource);
  Guest guest(host, wanted.target(), context);
  if (!cluster::wait_to_undo(context, guest)) return;
  if (!bool_at(captured, "/cluster")) {
    // Where nobody could look before, only what is plainly half made and ours is taken away.
    const bool may_reset = !bool_at(captured, "/unknown") || guest.has(config_path);
    if (may_reset && has_manifests(guest)) cluster::reset_kubeadm(guest, context);
    remove_marks(guest);
    return;
  }
  const std::string manifest = wanted.manifest();
  if (manifest.empty() || string_at(captured, "/cni") != "none") return;
  context.progress(fmt::format("removing {}", wanted.cni));
  guest.run(cluster::kubectl({"delete", "-f", manifest, "--ignore-not-found"}), kubeadm_limit(context));
  guest.remove(unfinished_network_path);
}

}  // namespace gpuplan::k8s_init
