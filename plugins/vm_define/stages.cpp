#include <fmt/format.h>

#include <algorithm>

#include "domain.h"
#include "fabric.h"
#include "host/seed/seed.h"
#include "host/virsh.h"
#include "spec/network_range.h"
#include "vm_define.h"

namespace gpuplan::vm_define {
namespace {

std::vector<std::string> strings(const Json& array) {
  std::vector<std::string> out;
  for (const Json& item : array) {
    if (item.is_string()) out.push_back(item.get<std::string>());
  }
  return out;
}

bool pool_is_open(HypervisorReader& hypervisor, const std::string& name) {
  const auto pool = hypervisor.pool(name);
  return pool && pool->active;
}

Shared::Remains remains_of(const Vm& vm, const std::string& network, const Json& captured) {
  return {vm.owner, vm.pool, vm.pool_path, vm.image, network, strings(member_at(captured, "/missing_directories"))};
}

// The VM as it was before the change: what is released is what that one used.
Vm before_of(const Change& change) {
  Resource before = change.resource;
  for (const auto& [name, value] : change.before.attributes) before.declared.set(name, value);
  return vm_of(before);
}

std::string packed_seed(const Vm& vm, const std::string& disk, const Spec& spec, Guests& guests) {
  const auto range = parse_ipv4_range(spec.network.cidr);
  SeedDefinition seed;
  seed.instance_id = disk.substr(0, disk.rfind('.'));
  seed.host_name = vm.name;
  seed.mac = vm.mac;
  seed.address = vm.address;
  if (range) seed.prefix = range->prefix;
  seed.gateway = spec.network.gateway;
  seed.name_servers = spec.network.name_servers;
  seed.installs_packages = seed_has_packages(spec);
  const GuestCredentials credentials = guests.credentials(vm.name);
  seed.authorized_key = credentials.authorized_key;
  seed.host_key = credentials.host_key;
  seed.host_key_public = credentials.host_key_public;
  return pack_seed(render_seed(seed));
}

// Disk, seed: each only if it is missing or too small.
void ensure_volumes(const Vm& vm, const std::string& disk, const std::string& image_path, Host& host,
                    StepContext& context) {
  Hypervisor& hypervisor = host.hypervisor();
  const std::int64_t capacity = vm.disk_gib * bytes_per_gib;
  const auto existing = hypervisor.volume(vm.pool, disk);
  if (!existing) {
    context.progress(fmt::format("making the disk of {}", vm.name));
    hypervisor.create_volume(vm.pool, disk, capacity, image_path);
  } else if (existing->capacity_bytes < capacity) {
    context.progress(fmt::format("growing the disk of {}", vm.name));
    hypervisor.grow_volume(vm.pool, disk, capacity);
  }
  const std::string seed = seed_volume(disk);
  if (!hypervisor.volume(vm.pool, seed))
    hypervisor.upload_volume(vm.pool, seed, packed_seed(vm, disk, context.spec(), host.guests()));
}

std::string path_of(const Vm& vm, const std::string& volume, HypervisorReader& hypervisor) {
  const auto state = hypervisor.volume(vm.pool, volume);
  if (state) return state->path;
  throw HostError(HostError::Kind::failed, volume,
                  fmt::format("volume {} is not in storage pool {} although it was made; see what is in it{}", volume,
                              vm.pool, with_virsh(hypervisor, {"vol-list", vm.pool})));
}

void delete_volumes(const Vm& vm, const std::string& keep_disk, Host& host) {
  if (!pool_is_open(host.hypervisor(), vm.pool)) return;
  for (const VolumeState& volume : host.hypervisor().volumes(vm.pool)) {
    if (!is_volume_of(vm.name, volume.name)) continue;
    if (!keep_disk.empty() && (volume.name == keep_disk || volume.name == seed_volume(keep_disk))) continue;
    host.hypervisor().delete_volume(vm.pool, volume.name);
  }
}

// Back to the definition and the power state from before, whatever has happened since.
void restore_domain(const Vm& vm, const Json& captured, Host& host) {
  const std::string xml = string_at(captured, "/domain");
  if (xml.empty()) return;
  const auto now = find_own_domain(host.hypervisor(), vm.name, vm.owner);
  if (!now || now->state.xml != xml) host.hypervisor().define_domain(xml);
  const bool autostart = bool_at(captured, "/autostart");
  if (autostart != (now && now->state.autostart)) host.hypervisor().set_autostart(vm.name, autostart);
}

void restore_power(const Change& change, const Vm& vm, const Json& captured, Host& host, StepContext& context) {
  if (!bool_at(captured, "/running")) return;
  const std::string address = change.before.attributes.text("address", vm.address);
  // A guest that did not answer before is not waited for now.
  if (bool_at(captured, "/answered")) {
    start_guest(vm.name, address, host, context);
  } else {
    host.hypervisor().start_domain(vm.name);
  }
}

// Takes away the domain and the volumes that this run made, and nothing else.
void remove_made(const Change& change, const Vm& vm, const Json& captured, Host& host, StepContext& context) {
  const std::string disk = string_at(captured, "/disk");
  const auto domain = find_domain(host.hypervisor(), vm.name);
  if (domain && domain->definition.owner.cluster == vm.owner && domain->disk() == disk) {
    host.hypervisor().kill_domain(vm.name);
    undo_enter_partition(change, captured, host, context);
    host.hypervisor().undefine_domain(vm.name);
  }
  if (disk.empty() || !pool_is_open(host.hypervisor(), vm.pool)) return;
  for (const std::string& volume : {seed_volume(disk), disk}) {
    if (host.hypervisor().volume(vm.pool, volume)) host.hypervisor().delete_volume(vm.pool, volume);
  }
}

}  // namespace

void VmDefine::withdraw(const Change& change, const Json& /*captured*/, const Json& origin, Host& host,
                        StepContext& context) const {
  const Vm vm = vm_of(change.resource);
  stop_guest(vm.name, vm.owner, host, context);
  // While the domain is still defined: no partition of ours is ever active without one.
  leave_partition(change, origin, host, context);
  if (change.action == Action::update) return;
  if (find_own_domain(host.hypervisor(), vm.name, vm.owner)) host.hypervisor().undefine_domain(vm.name);
}

void VmDefine::apply(const Change& change, const Json& captured, Host& host, StepContext& context) const {
  const Vm vm = vm_of(change.resource);
  const std::string disk = string_at(captured, "/disk");
  const auto domain = find_own_domain(host.hypervisor(), vm.name, vm.owner);
  const bool goes_down = change.before.attributes.text("power") == going_down;
  if (change.action == Action::update && domain && domain->runs() && (change.has_withdraw || goes_down)) {
    // Somebody started it since it was withdrawn, or an interrupted run has asked it to shut down.
    stop_guest(vm.name, vm.owner, host, context);
  }
  const std::string image_path = shared_.ensure(vm, context.spec(), host, context);
  ensure_volumes(vm, disk, image_path, host, context);

  DomainDefinition definition = define(vm, path_of(vm, disk, host.hypervisor()),
                                       path_of(vm, seed_volume(disk), host.hypervisor()), host.files());
  if (domain) keep_identity(definition, *domain);
  context.progress(fmt::format("defining {}", vm.name));
  host.hypervisor().define_domain(render_domain(definition));
  enter_partition(change, host, context);
  start_guest(vm.name, vm.address, host, context);
}

void VmDefine::commit(const Change& change, const Json& captured, const Json& origin, Host& host,
                      StepContext& /*context*/) const {
  const Vm vm = vm_of(change.resource);
  const Vm before = before_of(change);
  const bool removed = change.action == Action::remove;
  const bool others_go = change.action != Action::update || !change.before.attributes.list(left_behind).empty();
  if (others_go) delete_volumes(vm, removed ? "" : string_at(captured, "/disk"), host);
  if (before.pool != vm.pool) delete_volumes(before, "", host);
  if (removed) host.guests().forget(vm.name);
  const Json& directories = origin.is_null() ? captured : origin;
  shared_.release(remains_of(before, before.network, directories), host);
}

void VmDefine::undo(Stage stage, const Change& change, const Json& captured, Host& host, StepContext& context) const {
  const Vm vm = vm_of(change.resource);
  if (stage == Stage::withdraw) {
    // A shutdown that was asked for may still be under way: it has to end before the guest starts again.
    stop_guest(vm.name, vm.owner, host, context);
    if (change.action != Action::update) restore_domain(vm, captured, host);
    undo_leave_partition(change, captured, host, context);
    restore_power(change, vm, captured, host, context);
    return;
  }
  if (stage != Stage::apply) return;
  if (change.action == Action::update) {
    stop_guest(vm.name, vm.owner, host, context);
    undo_enter_partition(change, captured, host, context);
    restore_domain(vm, captured, host);
  } else {
    remove_made(change, vm, captured, host, context);
  }
  // What the new VM shared with nobody, and what only its own run needed.
  shared_.release(remains_of(vm, vm.network, captured), host);
}

}  // namespace gpuplan::vm_define
