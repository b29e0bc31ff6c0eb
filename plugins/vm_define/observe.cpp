#include <fmt/format.h>

#include <algorithm>

#include "domain.h"
#include "fabric.h"
#include "placement.h"
#include "vm_define.h"

namespace gpuplan::vm_define {
namespace {

std::string text_of(PowerState power) {
  switch (power) {
    case PowerState::running:
      return "running";
    case PowerState::crashed:
      return "crashed";
    case PowerState::off:
      break;
  }
  return "off";
}

// What a run that did not come to its end has begun counts too: it may still come to pass.
std::string power_of(PowerState power, const Prior& prior) {
  if (prior.withdrawal_begun && power != PowerState::crashed) return going_down;
  if (prior.making_begun && power == PowerState::running) return starting;
  return text_of(power);
}

// One address per passed-through slot: the GPU that the spec knows there, else the slot's first function.
std::vector<std::string> gpus_of(const std::vector<Bdf>& devices, const std::vector<std::string>& known) {
  std::vector<std::string> gpus;
  std::vector<Bdf> slots;
  for (const Bdf& device : devices) {
    const std::string address = device.to_string();
    const bool is_known = std::find(known.begin(), known.end(), address) != known.end();
    const bool slot_known = std::any_of(known.begin(), known.end(), [&](const std::string& gpu) {
      const auto other = parse_bdf(gpu);
      return other && other->same_slot(device) && std::find(devices.begin(), devices.end(), *other) != devices.end();
    });
    const bool slot_seen =
        std::any_of(slots.begin(), slots.end(), [&](const Bdf& seen) { return seen.same_slot(device); });
    if (is_known || (!slot_known && !slot_seen)) gpus.push_back(address);
    slots.push_back(device);
  }
  std::sort(gpus.begin(), gpus.end());
  return gpus;
}

// "auto" and "none" as they show in a definition: where GPUs share no node both look alike.
std::string placement_of(const DomainDefinition& definition, const Vm& vm, FileReader& files) {
  std::vector<PciFunction> functions;
  for (const Bdf& device : definition.devices) {
    if (auto function = read_pci_function(files, device)) functions.push_back(std::move(*function));
  }
  const auto node = common_node(functions);
  if (definition.numa_node == node) return node ? "auto" : vm.numa;
  return definition.numa_node ? fmt::format("node {}", *definition.numa_node) : "none";
}

// The pool in whose directory the disk lies, of those that the resource has or had.
std::optional<PoolState> pool_of(const std::string& disk_path, const Vm& vm, const Prior& prior,
                                 HypervisorReader& hypervisor) {
  for (const std::string& name : {vm.pool, prior.declared.text("pool")}) {
    auto pool = name.empty() ? std::nullopt : hypervisor.pool(name);
    if (pool && pool->path + "/" + base_name(disk_path) == disk_path) return pool;
  }
  return std::nullopt;
}

void observe_disk(const FoundDomain& domain, const Vm& vm, const Prior& prior, HypervisorReader& hypervisor,
                  Observation& observed) {
  const std::string path = domain.disk_path();
  const auto pool = pool_of(path, vm, prior, hypervisor);
  if (!pool) {
    observed.unreadable.push_back(
        fmt::format("pool, pool_path, disk and image: the disk {} lies in no pool that gpuplan knows",
                    path.empty() ? "(none)" : path));
    return;
  }
  observed.attributes.set("pool", pool->name);
  observed.attributes.set("pool_path", pool->path);
  const std::string from = fmt::format("libvirt storage pool {}", pool->name);
  observed.read_from["pool"] = from;
  observed.read_from["pool_path"] = from;
  if (!pool->active) {
    observed.unreadable.push_back(fmt::format("disk and image: storage pool {} is not active", pool->name));
    return;
  }
  const auto volume = hypervisor.volume(pool->name, domain.disk());
  if (!volume) return;
  observed.attributes.set("disk", volume->capacity_bytes / bytes_per_gib);
  observed.attributes.set("image", base_name(volume->backing_path));
  observed.read_from["disk"] = observed.read_from["image"] = fmt::format("volume {}", volume->path);
  if (!prior.commit_due) return;
  std::vector<std::string> others;
  for (const VolumeState& other : hypervisor.volumes(pool->name)) {
    const bool in_use = other.name == domain.disk() || other.name == seed_volume(domain.disk());
    if (!in_use && is_volume_of(vm.name, other.name)) others.push_back(other.name);
  }
  if (!others.empty()) observed.attributes.set(left_behind, others);
}

}  // namespace

Observation VmDefine::observe(const Resource& resource, const Prior& prior, HostReader& host) const {
  const Vm vm = vm_of(resource);
  const auto domain = find_domain(host.hypervisor(), vm.name);
  Observation observed;
  if (!domain) {
    observe_partition(vm, host, observed);
    return observed;
  }
  const DomainDefinition& definition = domain->definition;
  observed.exists = true;
  Attributes& attributes = observed.attributes;
  std::vector<std::string> known = vm.gpus;
  for (const std::string& gpu : prior.declared.list("gpus")) known.push_back(gpu);
  attributes.set("memory", definition.memory_mib);
  attributes.set("cpus", definition.cpus);
  attributes.set("gpus", gpus_of(definition.devices, known));
  attributes.set("firmware", definition.firmware);
  attributes.set("network", definition.network.empty() ? "bridge:" + definition.bridge : definition.network);
  attributes.set("address", definition.node_address);
  attributes.set("mac", definition.mac);
  attributes.set("hugepages", definition.hugepages);
  attributes.set("numa", placement_of(definition, vm, host.files()));
  attributes.set("accel", std::string(definition.type == "kvm" ? "kvm" : "tcg"));
  attributes.set("owner", definition.owner.cluster);
  attributes.set("power", power_of(domain->state.power, prior));
  for (const auto& [name, value] : attributes) observed.read_from[name] = fmt::format("libvirt domain {}", vm.name);
  // They stand in the seed that it booted with first.
  for (const char* name : {"gateway", "name_servers"}) {
    if (const Value* told = prior.declared.find(name)) {
      attributes.set(name, *told);
      observed.read_from[name] = "the last apply";
    }
  }
  observe_disk(*domain, vm, prior, host.hypervisor(), observed);
  observe_partition(vm, host, observed);
  return observed;
}

Json VmDefine::capture(const Change& change, HostReader& host) const {
  const Vm vm = vm_of(change.resource);
  const auto domain = find_domain(host.hypervisor(), vm.name);
  Json captured = {{"domain", nullptr}, {"running", false}, {"autostart", false}, {"answered", false}};
  const std::string old_address = change.before.attributes.text("address", vm.address);
  if (domain) {
    captured["domain"] = domain->state.xml;
    captured["running"] = domain->runs();
    captured["autostart"] = domain->state.autostart;
    captured["answered"] = domain->runs() && host.guests().answers(GuestTarget{vm.name, old_address});
  }
  const Json partitions = capture_partitions(change, host);
  if (!partitions.empty()) captured["active_partitions"] = partitions;
  // Also those that another VM of the cluster found missing and has made: whichever goes last gives them back.
  std::vector<std::string> made = missing_directories(host.files(), vm.pool_path);
  const auto mark = read_pool_mark(host.files(), vm.pool_path);
  if (mark && mark->cluster == vm.owner) made.insert(made.end(), mark->directories.begin(), mark->directories.end());
  captured["missing_directories"] = made;

  std::vector<VolumeState> volumes;
  const auto pool = host.hypervisor().pool(vm.pool);
  if (pool && pool->active) volumes = host.hypervisor().volumes(vm.pool);
  const auto exists = [&](const std::string& name) {
    return std::any_of(volumes.begin(), volumes.end(),
                       [&](const VolumeState& volume) { return volume.name == name; });
  };
  if (change.action == Action::create || change.action == Action::replace) {
    // Never one that exists: what an earlier VM of that name left behind stays as it is until the commit.
    int number = 1;
    while (exists(disk_volume(vm.name, number)) || exists(seed_volume(disk_volume(vm.name, number)))) ++number;
    captured["disk"] = disk_volume(vm.name, number);
  } else {
    captured["disk"] = domain ? domain->disk() : "";
  }
  return captured;
}

}  // namespace gpuplan::vm_define
