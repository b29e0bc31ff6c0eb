#include "domain.h"

#include <fmt/format.h>

#include "host/virsh.h"
#include "placement.h"
#include "plugin/waiting.h"
#include "report/shell.h"

namespace gpuplan::vm_define {
namespace {

constexpr std::chrono::seconds shutdown_limit{120};
constexpr std::chrono::milliseconds power_poll{1000};
constexpr std::chrono::milliseconds login_poll{2000};
constexpr std::size_t console_lines = 15;

bool is_on(Host& host, const std::string& name) {
  const auto state = host.hypervisor().domain(name);
  return state && state->power == PowerState::running;
}

[[noreturn]] void fail_boot(HostError::Kind kind, const std::string& name, const std::string& cluster,
                            const std::string& what, Host& host) {
  const std::string tail = host.hypervisor().console_tail(name, console_lines);
  throw HostError(
      kind, name,
      tail.empty() ? fmt::format("{}; its console is empty: either the firmware did not start it (too many GPUs or too much "
                                 "memory for the address bits: see the check address-width), or the image has no "
                                 "console=ttyS0",
                                 what)
                   : fmt::format("{}; the end of its console follows, all of it shows `{}`", what,
                                 suggested(fmt::format("console {} --cluster {} --log", name, cluster))),
      tail);
}

}  // namespace

std::string FoundDomain::disk_path() const {
  for (const DomainDisk& disk : definition.disks) {
    if (!disk.read_only) return disk.path;
  }
  return {};
}

std::string FoundDomain::disk() const { return base_name(disk_path()); }

std::optional<FoundDomain> find_domain(HypervisorReader& hypervisor, const std::string& name) {
  auto state = hypervisor.domain(name);
  if (!state) return std::nullopt;
  auto definition = parse_domain(state->xml);
  if (!definition) {
    throw HostError(HostError::Kind::failed, name,
                    fmt::format("the definition of domain {} is not a domain document; look at it{}", name,
                                with_virsh(hypervisor, {"dumpxml", "--inactive", name})));
  }
  return FoundDomain{std::move(*state), std::move(*definition)};
}

std::optional<FoundDomain> find_own_domain(HypervisorReader& hypervisor, const std::string& name,
                                           const std::string& owner) {
  auto found = find_domain(hypervisor, name);
  if (!found || found->definition.owner.cluster == owner) return found;
  throw HostError(
      HostError::Kind::refused, name,
      fmt::format("domain {} was not made by gpuplan for cluster {} and is left alone; rename it or remove "
                  "it by hand",
                  name, owner));
}

void stop_guest(const std::string& name, const std::string& owner, Host& host, StepContext& context) {
  const auto found = find_own_domain(host.hypervisor(), name, owner);
  if (!found || !found->runs()) return;
  context.progress(fmt::format("shutting {} down", name));
  host.hypervisor().shut_down_domain(name);
  try {
    context.wait_until(fmt::format("the shutdown of {}", name), shutdown_limit, power_poll,
                       [&] { return !is_on(host, name); });
  } catch (const HostError& error) {
    if (error.kind() != HostError::Kind::timed_out) throw;
    context.progress(fmt::format("{} did not shut down within {} s: its plug is pulled", name, shutdown_limit.count()));
    host.hypervisor().kill_domain(name);
  }
}

void start_guest(const std::string& name, const std::string& address, Host& host, StepContext& context) {
  const auto state = host.hypervisor().domain(name);
  if (!state || state->power != PowerState::running) {
    if (state && state->power == PowerState::crashed) host.hypervisor().kill_domain(name);
    context.progress(fmt::format("starting {}", name));
    host.hypervisor().start_domain(name);
  }
  const GuestTarget target{name, address};
  const std::string what = fmt::format("a login on {} ({})", name, address);
  context.progress(fmt::format("waiting for {}", what));
  const std::int64_t limit = context.spec().timeouts.guest_boot;
  bool stopped = false;
  try {
    context.wait_until(what, std::chrono::seconds(limit), login_poll, [&] {
      stopped = !is_on(host, name);
      return stopped || host.guests().answers(target);
    });
  } catch (const HostError& error) {
    if (error.kind() != HostError::Kind::timed_out) throw;
    std::string in_vain = waited_in_vain(what, limit);
    if (const auto addresses = host.guests().addresses_by_agent(target))
      in_vain += fmt::format("; its guest agent answers: it has {}", *addresses);
    in_vain += "; " + more_time("guest_boot", limit);
    fail_boot(HostError::Kind::timed_out, name, context.spec().cluster, in_vain, host);
  }
  if (!stopped) return;
  fail_boot(HostError::Kind::failed, name, context.spec().cluster, fmt::format("{} stopped while it booted", name), host);
}

DomainDefinition define(const Vm& vm, const std::string& disk_path, const std::string& seed_path, FileReader& files) {
  const std::vector<PciFunction> functions = functions_of(files, vm.gpus);
  DomainDefinition definition;
  definition.name = vm.name;
  definition.owner.cluster = vm.owner;
  definition.node_address = vm.address;
  definition.type = vm.accel == "tcg" ? "qemu" : "kvm";
  definition.memory_mib = vm.memory_mib;
  definition.cpus = vm.cpus;
  definition.firmware = vm.firmware;
  definition.hugepages = vm.hugepages;
  if (vm.numa == "auto") definition.numa_node = common_node(functions);
  if (definition.numa_node) definition.cpu_list = processors_of_node(files, *definition.numa_node);
  const AddressWidth width = read_address_width(files);
  if (definition.type == "kvm" && width.cpu && width.iommu && *width.iommu < *width.cpu) {
    definition.physical_address_bits = *width.iommu;
  }
  definition.mmio64_window_mib = mmio64_window_mib(functions);
  definition.disks = {{disk_path, "qcow2", "vda", false}, {seed_path, "raw", "vdb", true}};
  if (const auto bridge = bridge_in(vm.network)) {
    definition.bridge = *bridge;
  } else {
    definition.network = vm.network;
  }
  definition.mac = vm.mac;
  for (const PciFunction& function : functions) definition.devices.push_back(function.address);
  definition.console_log = console_log(vm.name);
  definition.locked_memory = !functions.empty() || vm.hugepages != "none";
  return definition;
}

void keep_identity(DomainDefinition& definition, const FoundDomain& domain) {
  definition.uuid = domain.state.uuid;
  definition.guest_buses = domain.definition.guest_buses;
}

}  // namespace gpuplan::vm_define
