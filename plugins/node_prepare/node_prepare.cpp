#include "node_prepare.h"

#include <fmt/format.h>

#include "cluster_common/cluster_view.h"
#include "cluster_common/kubeadm.h"
#include "cluster_common/stored_declaration.h"
#include "host/guest_target.h"
#include "machine_check.h"
#include "mirrors.h"
#include "node_scripts.h"
#include "plugin/plugin.h"

namespace gpuplan::node_prepare {
namespace {

using cluster::Guest;
using cluster::GuestView;
using cluster::Presence;

GuestTarget target_of(const Resource& resource) {
  return target_from(std::string(resource.address.name()), resource.declared.text("address"), resource.declared.text("login"));
}

// `machine`: of a node that existed before; empty for a VM. `worker`: empty for the control plane.
Resource declare(const Spec& spec, const std::string& name, const std::string& address,
                 const std::optional<MachineSpec>& machine, const WorkerSpec* worker) {
  Resource resource;
  resource.address = Address("node-prepare", name);
  resource.declared.set("address", address);
  declare_mirrors(resource.declared, spec, worker != nullptr);
  declare_prepared(resource.declared, spec, machine.has_value(), worker != nullptr && worker->gpu_count() > 0);
  if (machine)
    resource.declared.set("login", login_text(*machine));
  else
    resource.lives_in = {Address("vm-define", name)};
  resource.depends_on = resource.lives_in;
  resource.where = worker != nullptr ? worker->where : locate(spec, "kubernetes");
  return resource;
}

Observation look_at(GuestView& guest, const Resource& resource, const Prior& prior) {
  Observation observed;
  observed.exists = true;
  observed.attributes.set("address", prior.declared.text("address"));
  observed.read_from["address"] = "the last apply";
  cluster::observe_what_was_told(observed, resource, prior);
  observe_mirrors(observed, resource.declared, prior, guest);
  observe_prepared(observed, resource.declared, guest);
  return observed;
}

// A worker gets the patch of Kubernetes that its control plane has, if that one can be asked: the newest may have been
// published since. Nodes that are prepared side by side get the newest.
void pin_to_control_plane(std::vector<cluster::GuestScript>& scripts, const std::string& node, Host& host,
                          StepContext& context) {
  GuestView control_plane(host, gpuplan::target_of(context.spec().control_plane));
  if (node == control_plane.target().node) return;
  try {
    if (control_plane.presence() != Presence::answers || !control_plane.has(cluster::admin_kubeconfig)) return;
    pin_kubernetes(scripts, cluster::installed_kubeadm(control_plane));
  } catch (const HostError& error) {
    context.log(fmt::format("the version of {} could not be asked for: {}", control_plane.target().node, error.what()));
  }
}

}  // namespace

const Schema& NodePrepare::schema() const {
  static const Schema schema = {
      {"address", ValueType::text, "", OnChange::replace, false, false, false},
      {"login", ValueType::text, "", OnChange::update, false, false, false},
      {"mirrors", ValueType::list, "", OnChange::update, false, false, false},
      {"ca_certificates", ValueType::list, "", OnChange::update, false, false, false},
      {"prepared", ValueType::list, "", OnChange::update, false, false, false},
  };
  return schema;
}

std::vector<Resource> NodePrepare::expand(const Spec& spec) const {
  std::vector<Resource> out;
  if (!spec.kubernetes.enabled) return out;
  const ControlPlaneSpec& control_plane = spec.control_plane;
  out.push_back(declare(spec, control_plane.name, control_plane.address, control_plane.machine, nullptr));
  for (const WorkerSpec& worker : spec.workers)
    out.push_back(declare(spec, worker.name, worker.address, worker.machine, &worker));
  return out;
}

std::vector<CheckResult> NodePrepare::check(const Resource& resource, const Spec&, const Prior& prior,
                                            HostReader& host) const {
  std::vector<CheckResult> out;
  const std::string last_address = prior.declared.text("login").empty() ? "" : prior.declared.text("address");
  check_machine(out, resource, target_of(resource), last_address, prior, host);
  return out;
}

// What a machine had installed before gpuplan came is its own: only a node that gpuplan prepared, or began to, is there.
Observation NodePrepare::observe(const Resource& resource, const Prior& prior, HostReader& host) const {
  if (!prior.owned || prior.declared.empty()) return {};
  const auto unseen = [&](const std::string& why) {
    if (prior.complete) return cluster::assumed_as_declared(prior.declared, why);
    Observation nothing;
    nothing.unreadable.push_back(why);
    return nothing;
  };
  GuestView guest(host, target_of(resource));
  const GuestView::Look seen = guest.look();
  if (seen.presence == Presence::absent) return {};
  if (seen.presence != Presence::answers) return unseen(guest.words_of(seen));
  try {
    return look_at(guest, resource, prior);
  } catch (const HostError& error) {
    return unseen(error.what());
  }
}

Change NodePrepare::compare(const Resource& resource, const Observation& observed, const Prior& prior) const {
  Resource wanted = resource;
  expect_no_forgotten_mirrors(wanted.declared, prior);
  Change change = StepKind::compare(wanted, observed, prior);
  note_what_is_missing(change);
  return change;
}

void NodePrepare::plan_removal(Change& change, const RemovalScope& scope) const {
  if (scope.is_withdrawn(Address("vm-define", change.address.name()))) {
    change.has_withdraw = false;
    change.notes.emplace_back("goes with its VM");
    return;
  }
  change.has_withdraw = has_mirrors(change.resource.declared);
  change.notes.push_back(fmt::format("what is installed on {} stays there", change.address.name()));
}

// The undo record: where the node fetched from.
Json NodePrepare::capture(const Change& change, HostReader& host) const {
  GuestView guest(host, target_of(change.resource));
  return {{"mirrors", capture_mirrors(change, guest)}};
}

void NodePrepare::apply(const Change& change, const Json&, Host& host, StepContext& context) const {
  Guest guest(host, target_of(change.resource), context);
  cluster::wait_for_login(context, guest);
  std::vector<cluster::GuestScript> scripts = node_scripts(context.spec(), declared_by(change), guest.target());
  pin_to_control_plane(scripts, guest.target().node, host, context);
  cluster::provision(guest, scripts, context);
}

void NodePrepare::withdraw(const Change& change, const Json&, const Json&, Host& host, StepContext& context) const {
  Guest guest(host, target_of(change.resource), context);
  if (cluster::wait_to_undo(context, guest)) remove_mirrors(guest, change.resource.declared, context);
}

void NodePrepare::undo(Stage, const Change& change, const Json& captured, Host& host, StepContext& context) const {
  const Json& mirrors = member_at(captured, "/mirrors");
  if (!mirrors.is_object()) return;
  Guest guest(host, target_of(change.resource), context);
  if (cluster::wait_to_undo(context, guest)) restore_mirrors(guest, mirrors, context);
}

}  // namespace gpuplan::node_prepare

GPUPLAN_PLUGIN(gpuplan::node_prepare::NodePrepare, "node-prepare", "installs what Kubernetes needs on a node");
