#include <fmt/format.h>

#include <bit>

#include "checks.h"
#include "host/free_space.h"
#include "host/virsh.h"
#include "host/xml/domain_xml.h"
#include "shared.h"
#include "spec/network_range.h"

namespace gpuplan::vm_define {
namespace {

std::optional<Ipv4Range> range_of(const NetworkDefinition& network) {
  const auto address = parse_ipv4(network.address);
  const auto mask = parse_ipv4(network.netmask);
  if (!address || !mask) return std::nullopt;
  Ipv4Range range;
  range.base = *address & *mask;
  range.prefix = std::popcount(*mask);
  return range;
}

std::optional<NetworkDefinition> definition_of(const NetworkState& state) {
  auto definition = parse_network(state.xml);
  if (definition) definition->name = state.name;
  return definition;
}

std::string fitting_network(const std::string& name, const std::optional<Ipv4Range>& range, bool ours) {
  if (ours) return "give the new range a network of another name (`network.name`), or destroy the cluster first";
  if (range) return fmt::format("declare `network.cidr: {}`, or another `network.name`", range->to_string());
  return fmt::format("declare another `network.name`, of which gpuplan makes a network: {} has no addresses for VMs", name);
}

void check_existing_network(const NetworkState& state, const Vm& vm, const Spec& spec, HostReader& host,
                            Findings& findings) {
  const auto definition = definition_of(state);
  const auto range = definition ? range_of(*definition) : std::nullopt;
  const std::string has = range ? range->to_string() : "no IPv4 range";
  const std::string from = fmt::format("libvirt, network {}", state.name);
  const bool ours = definition && definition->owner.cluster == vm.owner;
  const bool matches = range && range->to_string() == spec.network.cidr;
  if (!matches) {
    findings.fail("network", fmt::format("network {} has {}, the spec says {}", state.name, has, spec.network.cidr),
                  from, fitting_network(state.name, range, ours));
  } else if (!ours && !state.active) {
    findings.fail("network", fmt::format("network {} exists, is not active, and gpuplan did not make it", state.name),
                  from,
                  fmt::format("start it{}, or declare another `network.name`",
                              with_virsh(host.hypervisor(), {"net-start", state.name})));
  } else {
    findings.pass("network",
                  fmt::format("network {} has {} and {}", state.name, has,
                              ours ? "was made by gpuplan" : "is used as it is: gpuplan did not make it"),
                  from);
  }
}

void check_network(const Vm& vm, const Spec& spec, HostReader& host, Findings& findings) {
  if (const auto bridge = bridge_in(vm.network)) {
    const std::string path = fmt::format("/sys/class/net/{}/bridge", *bridge);
    if (host.files().kind(path) == FileKind::none) {
      findings.fail("bridge", fmt::format("there is no bridge {} on this host", *bridge), path,
                    "make it with the host's own network configuration, or use `network.mode: nat`");
    } else {
      findings.pass("bridge", fmt::format("{} is a bridge", *bridge), path);
    }
    return;
  }
  const auto existing = host.hypervisor().network(vm.network);
  if (existing) check_existing_network(*existing, vm, spec, host, findings);
}

std::int64_t gib_still_to_make(const Spec& spec, HostReader& host) {
  const auto missing = [&](const std::string& name, const VmResources& resources) {
    return host.hypervisor().domain(name) ? 0 : resources.disk_gib;
  };
  const bool has_control_plane = spec.kubernetes.enabled && !spec.control_plane.machine;
  std::int64_t sum = has_control_plane ? missing(spec.control_plane.name, spec.control_plane.resources) : 0;
  for (const WorkerSpec& worker : spec.workers) {
    if (!worker.machine) sum += missing(worker.name, worker.resources);
  }
  return sum;
}

void check_space(std::int64_t available_bytes, const std::string& place, const std::string& from, const Spec& spec,
                 HostReader& host, Findings& findings) {
  const std::int64_t wanted = gib_still_to_make(spec, host);
  const std::int64_t available = available_bytes / bytes_per_gib;
  if (wanted <= available) {
    findings.pass("storage-space", fmt::format("{} GiB are available for {} GiB of new disks", available, wanted), from);
    return;
  }
  findings.add(CheckStatus::warn, "storage-space",
               fmt::format("the new disks may grow to {} GiB together, {} has {} GiB left", wanted, place, available), from,
               "disks take only what is written to them; see that there is room for that, or declare smaller ones");
}

void check_storage(const Vm& vm, const Spec& spec, HostReader& host, Findings& findings) {
  const auto pool = host.hypervisor().pool(vm.pool);
  const std::string from = fmt::format("libvirt, storage pool {}", vm.pool);
  if (!pool) {
    findings.pass("storage-pool", fmt::format("pool {} will be made in {}", vm.pool, vm.pool_path),
                  "libvirt");
    if (const auto free = free_bytes_for(vm.pool_path, host)) check_space(*free, vm.pool_path, "df", spec, host, findings);
    return;
  }
  if (pool->path != vm.pool_path) {
    findings.fail("storage-pool",
                  fmt::format("pool {} lies in {}, the spec says {}", vm.pool, pool->path, vm.pool_path), from,
                  fmt::format("declare `storage.path: {}`, or another `storage.pool`", pool->path));
    return;
  }
  const auto mark = read_pool_mark(host.files(), pool->path);
  if (!pool->active && !(mark && mark->cluster == vm.owner)) {
    findings.fail("storage-pool", fmt::format("pool {} exists, is not active, and gpuplan did not make it", vm.pool),
                  from, fmt::format("start it{}, or declare another `storage.pool`",
                                    with_virsh(host.hypervisor(), {"pool-start", vm.pool})));
    return;
  }
  findings.pass("storage-pool", fmt::format("pool {} lies in {}", vm.pool, pool->path), from);
  check_space(pool->available_bytes, "pool " + vm.pool, from, spec, host, findings);
}

}  // namespace

void check_shared(const Vm& vm, const Spec& spec, HostReader& host, Findings& findings) {
  check_network(vm, spec, host, findings);
  check_storage(vm, spec, host, findings);
}

}  // namespace gpuplan::vm_define
