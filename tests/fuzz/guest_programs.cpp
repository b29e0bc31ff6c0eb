// What programs in the guests print: kubectl, kubeadm, helm, cloud-init, nvidia-smi, the scripts. The parts are their
// answers, in the order in which they are asked.
#include "fuzz/scripted_host.h"
#include "gpu_operator/release.h"
#include "cluster_common/kubeadm.h"
#include "node_prepare/mirrors.h"
#include "node_prepare/node_scripts.h"
#include "verify/verification.h"
#include "worker_join/membership.h"

using namespace gpuplan;

namespace {

// Each with the answers from the first one on. HostError is the only way to fail.
template <class Body>
void ask(fuzz::ScriptedHost& host, const Body& body) {
  host.rewind();
  try {
    body();
  } catch (const HostError&) {
  }
}

void look_at(const Json& object) {
  cluster::is_ready(object);
  cluster::why_not_ready(object);
  cluster::allocatable_gpus(object);
  cluster::internal_address(object);
  cluster::label_of(object, cluster::owner_label);
  worker_join::is_schedulable(object);
}

void join(cluster::GuestView& guest) {
  const std::string version = cluster::installed_kubeadm(guest);
  cluster::version_like(version, "1.35");
  cluster::kubeadm_api_version(cluster::minor_version(version));
  const worker_join::JoinTicket ticket = worker_join::parse_join_command(guest.query(std::vector<std::string>{"kubeadm"}).output);
  worker_join::join_config({}, ticket, version);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::ScriptedHost host(fuzz::parts(data, size));
  const GuestTarget target{"gpu-control-plane", "192.168.130.10"};
  const Spec spec;
  cluster::ClusterView view(host, target);
  ask(host, [&] {
    std::string note;
    view.reach(note);
  });
  ask(host, [&] {
    for (const Json& node : view.objects("nodes")) look_at(node);
    if (const auto node = view.node("gpu-worker-1")) look_at(*node);
  });
  ask(host, [&] { gpu_operator::find_release(view.guest()); });
  ask(host, [&] { gpu_operator::cluster_policy_state(view); });
  ask(host, [&] { gpu_operator::present_crds(view); });
  ask(host, [&] { join(view.guest()); });
  ask(host, [&] {
    test::MemoryContext context(spec, host);
    cluster::Guest guest(host, target, context);
    Attributes declared;
    node_prepare::declare_prepared(declared, spec, false, true);
    Observation observed;
    node_prepare::observe_prepared(observed, declared, guest);
    cluster::provision(guest, node_prepare::node_scripts(spec, declared, target), context);
  });
  ask(host, [&] {
    VerifyRequest request;
    request.cluster = "gpu";
    request.control_plane = target;
    request.workers = {{{"gpu-worker-1", "192.168.130.11"}, 4}, {{"gpu-worker-2", "192.168.130.12"}, 4}};
    request.suggest = [](const std::string& words) { return "gpuplan " + words; };
    verify_cluster(request, host);
  });
  return 0;
}
