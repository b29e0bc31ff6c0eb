#include "command/cluster_nodes.h"

#include <fmt/format.h>

#include "command/exit_codes.h"
#include "command/failure.h"
#include "host/guest_target.h"
#include "host/xml/domain_xml.h"

namespace gpuplan::command {
namespace {

constexpr const char* control_plane_key = "control-plane";

}  // namespace

Spec open_cluster(Session& session, const std::string& path) {
  std::optional<Spec> spec;
  if (path.empty()) {
    session.choose_cluster();
    session.read_journal();
    if (session.journal) spec = last_spec(*session.journal);
    if (!spec) throw no_kept_spec(session);
  } else {
    spec = session.read_spec(path);
    session.read_journal();
  }
  if (session.owned().empty()) {
    throw Failure(exit_nothing_changed, fmt::format("gpuplan has made nothing for cluster {}", session.cluster),
                  fmt::format("{} has no record of it", session.state.cluster_directory(session.cluster)),
                  path.empty() ? fmt::format("`{}` makes it", session.suggest("apply SPEC"))
                               : fmt::format("`{}` makes it", session.suggest("apply " + shell_quoted(path))));
  }
  session.open_host(spec->host.libvirt_uri);
  session.require_same_host();
  session.resolve(*spec);
  return std::move(*spec);
}

void require_kubernetes(const Spec& spec) {
  if (spec.kubernetes.enabled) return;
  throw Failure(exit_nothing_changed, fmt::format("cluster {} is VMs without Kubernetes", spec.cluster),
                "its spec says `kubernetes: {enabled: false}`", "change that and apply, for a Kubernetes cluster");
}

GuestTarget control_plane_target(const Spec& spec) {
  return target_of(spec.control_plane);
}

std::vector<GuestTarget> all_targets(const Spec& spec) {
  std::vector<GuestTarget> out;
  if (spec.kubernetes.enabled) out.push_back(control_plane_target(spec));
  for (const WorkerSpec& worker : spec.workers) out.push_back(target_of(worker));
  return out;
}

GuestTarget find_target(const Spec& spec, const std::string& name) {
  if (name == control_plane_key && spec.kubernetes.enabled) return control_plane_target(spec);
  for (const WorkerSpec& worker : spec.workers) {
    if (name == worker.key) return target_of(worker);
  }
  const std::vector<GuestTarget> targets = all_targets(spec);
  std::vector<std::string_view> names;
  for (const GuestTarget& known : targets) {
    if (known.node == name) return known;
    names.push_back(known.node);
  }
  const std::string near = did_you_mean(name, names);
  throw Failure(
      exit_nothing_changed, fmt::format("cluster {} has no node {}", spec.cluster, printable(name)), {},
      near.empty() ? fmt::format("its nodes are {}", fmt::join(names, ", ")) : fmt::format("did you mean {}?", near));
}

void require_running(Session& session, const GuestTarget& target) {
  if (target.is_machine()) return;
  std::optional<DomainState> domain;
  try {
    domain = session.host.host->hypervisor().domain(target.node);
  } catch (const HostError&) {
    return;  // the login itself will tell
  }
  if (!domain || domain->power == PowerState::running) return;
  throw Failure(exit_nothing_changed, fmt::format("{} is off", target.node), {},
                fmt::format("`virsh start {}` starts it, and so does `{}`", target.node, session.suggest("apply SPEC")));
}

std::string console_log_of(Session& session, const std::string& node) {
  const auto domain = session.host.host->hypervisor().domain(node);
  const auto definition = domain ? parse_domain(domain->xml) : std::nullopt;
  return definition ? definition->console_log : "";
}

void refuse_json(const Session& session) {
  if (!session.console.json()) return;
  throw Failure(exit_bad_flags, fmt::format("`gpuplan {}` has no --json", session.options.verb),
                "it passes on what the guest prints, as it is", "leave --json away");
}

}  // namespace gpuplan::command
