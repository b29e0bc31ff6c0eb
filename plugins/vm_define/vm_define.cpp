#include "vm_define.h"

#include <fmt/format.h>

#include <algorithm>

#include "declaration.h"
#include "domain.h"
#include "fabric.h"
#include "spec/network_range.h"

namespace gpuplan::vm_define {
namespace {

struct Node {
  std::string name;
  std::string address;
  const VmResources* resources = nullptr;
  std::vector<std::string> gpus;
};

std::string without_final_slash(std::string path) {
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  return path;
}

Resource make_resource(const Spec& spec, Node node) {
  std::sort(node.gpus.begin(), node.gpus.end());
  Resource resource;
  resource.address = Address("vm-define", node.name);
  Attributes& declared = resource.declared;
  declared.set("memory", node.resources->memory_mib);
  declared.set("cpus", node.resources->cpus);
  declared.set("disk", node.resources->disk_gib);
  declared.set("gpus", node.gpus);
  declared.set("firmware", node.resources->firmware);
  declared.set("image", image_volume(spec.image));
  declared.set("network", network_attribute(spec.network));
  declared.set("address", node.address);
  declared.set("mac", mac_for(spec.cluster, node.name));
  declared.set("hugepages", node.resources->hugepages);
  declared.set("numa", node.resources->numa);
  declared.set("accel", spec.host.accel);
  declared.set("pool", spec.storage.pool);
  declared.set("pool_path", without_final_slash(spec.storage.path));
  declared.set("owner", spec.cluster);
  declared.set("power", std::string("running"));
  // Where they are those that come by themselves, nothing is said of them.
  const auto range = parse_ipv4_range(spec.network.cidr);
  const std::string usual = range ? format_ipv4(range->base + 1) : "";
  if (spec.network.gateway != usual) declared.set("gateway", spec.network.gateway);
  if (spec.network.name_servers != std::vector<std::string>{spec.network.gateway})
    declared.set("name_servers", fmt::format("{}", fmt::join(spec.network.name_servers, ", ")));
  return resource;
}

// A GPU of a worker by its index. An index that the list does not have becomes a name that check() refuses.
std::string gpu_named(const Spec& spec, std::size_t index) {
  return index < spec.gpus.size() ? spec.gpus[index].address.to_string() : fmt::format("gpus[{}]", index);
}

AttributeSchema in_place(const char* name, ValueType type = ValueType::text, const char* unit = "") {
  AttributeSchema attribute;
  attribute.name = name;
  attribute.type = type;
  attribute.unit = unit;
  return attribute;
}

AttributeSchema exclusive_list(const char* name) {
  AttributeSchema attribute = in_place(name, ValueType::list);
  attribute.exclusive = true;
  return attribute;
}

AttributeSchema computed(const char* name, ValueType type = ValueType::text) {
  AttributeSchema attribute = in_place(name, type);
  attribute.computed = true;
  return attribute;
}

AttributeSchema fixed(const char* name) {
  AttributeSchema attribute = in_place(name);
  attribute.on_change = OnChange::replace;
  return attribute;
}

bool changes(const Change& change, std::string_view attribute) {
  return std::any_of(change.attributes.begin(), change.attributes.end(),
                     [&](const AttributeChange& item) { return item.name == attribute; });
}

// Everything but the power state itself takes effect only in a guest that starts anew.
bool needs_guest_off(const Change& change) {
  return std::any_of(change.attributes.begin(), change.attributes.end(),
                     [](const AttributeChange& item) { return item.name != "power" && item.name != "owner"; });
}

bool is_running(const std::string& power) { return power == "running" || power == starting; }

// Disks that an interrupted run has replaced, but not come to delete.
void plan_clearing(Change& change) {
  drop(change, left_behind);
  const auto volumes = change.before.attributes.list(left_behind);
  if (volumes.empty() || (change.action != Action::none && change.action != Action::update)) return;
  change.action = Action::update;
  change.has_apply = true;
  change.has_commit = true;
  AttributeChange item;
  item.name = left_behind;
  item.before = volumes;
  change.attributes.push_back(std::move(item));
  change.irreversible.push_back(fmt::format("{}, which an interrupted run left behind, {} deleted", fmt::join(volumes, ", "),
                                            volumes.size() == 1 ? "is" : "are"));
}

void plan_update(Change& change) {
  const std::string name(change.address.name());
  const std::string power = change.before.attributes.text("power");
  const bool runs = is_running(power);
  if (power == going_down) {
    change.notes.push_back(fmt::format("an interrupted run had begun to shut {} down; it starts anew", name));
  }
  if (power == starting) change.notes.push_back(fmt::format("an interrupted run was not done with {}; this one waits until it answers", name));
  if (leaves_partition(change)) change.has_withdraw = true;
  if (needs_guest_off(change) && runs) {
    change.has_withdraw = true;
    change.notes.push_back(fmt::format("{} restarts", name));
    if (changes(change, "memory") || changes(change, "cpus")) {
      change.notes.push_back("memory and cpus take effect at the restart that this apply does");
    }
  }
  if (changes(change, "disk")) {
    // A file system that has grown cannot shrink: the change waits until everything else has worked.
    change.has_withdraw = true;
    change.withdraw_is_irreversible = true;
    change.irreversible.push_back(fmt::format("the disk of {} grows from {} to {} GiB and cannot shrink again", name,
                                              change.before.attributes.number("disk"),
                                              change.resource.declared.number("disk")));
  }
  if (changes(change, "network")) change.has_commit = true;
}

}  // namespace

const Schema& VmDefine::schema() const {
  // Function-local: a module has no static constructors.
  static const Schema schema = {
      in_place("memory", ValueType::integer, "MiB"),
      in_place("cpus", ValueType::integer),
      in_place("disk", ValueType::integer, "GiB"),
      exclusive_list("gpus"),
      fixed("firmware"),
      fixed("image"),
      in_place("network"),
      fixed("address"),
      in_place("mac"),
      in_place("hugepages"),
      in_place("numa"),
      in_place("accel"),
      fixed("pool"),
      fixed("pool_path"),
      fixed("gateway"),
      fixed("name_servers"),
      in_place("owner"),
      in_place("power"),
      computed(left_behind, ValueType::list),
      computed(active_partition),
      computed(wanted_partition),
  };
  return schema;
}

std::vector<Resource> VmDefine::expand(const Spec& spec) const {
  std::vector<Resource> resources;
  if (spec.kubernetes.enabled && !spec.control_plane.machine) {
    resources.push_back(
        make_resource(spec, {spec.control_plane.name, spec.control_plane.address, &spec.control_plane.resources, {}}));
    resources.back().depends_on.emplace_back("iommu-check", "host");
  }
  for (const WorkerSpec& worker : spec.workers) {
    if (worker.machine) continue;
    Node node{worker.name, worker.address, &worker.resources, {}};
    for (const std::size_t index : worker.gpu_indexes) node.gpus.push_back(gpu_named(spec, index));
    Resource resource = make_resource(spec, node);
    for (const std::size_t index : worker.gpu_indexes) {
      if (index < spec.gpus.size()) resource.depends_on.emplace_back("vfio-bind", gpu_named(spec, index));
    }
    if (resource.depends_on.empty()) resource.depends_on.emplace_back("iommu-check", "host");
    if (worker.where.file) resource.where = worker.where;
    resources.push_back(std::move(resource));
  }
  return resources;
}

std::optional<std::string> VmDefine::document(const Resource& resource, const Spec&, HostReader& host) const {
  const Vm vm = vm_of(resource);
  std::string disk = fmt::format("{}/{}", vm.pool_path, disk_volume(vm.name, 1));
  const auto domain = find_own_domain(host.hypervisor(), vm.name, vm.owner);
  if (domain) disk = domain->disk_path();
  DomainDefinition definition = define(vm, disk, seed_volume(disk), host.files());
  if (domain) keep_identity(definition, *domain);
  return render_domain(definition);
}

Change VmDefine::compare(const Resource& resource, const Observation& observed, const Prior& prior) const {
  Change change = StepKind::compare(resource, observed, prior);
  const std::string name(resource.address.name());
  plan_partition(change);
  plan_clearing(change);
  if (change.action == Action::update) plan_update(change);
  if (change.action == Action::create && prior.owned) {
    // It was there, or half there, and its volumes may be: they stay until the new VM works.
    change.has_commit = true;
    change.irreversible.push_back(fmt::format("volumes that an earlier {} left behind are deleted", name));
  }
  return change;
}

void VmDefine::plan_removal(Change& change, const RemovalScope& /*scope*/) const {
  const std::string name(change.address.name());
  for (const std::string_view attribute : {wanted_partition, left_behind}) drop(change, attribute);
  change.has_withdraw = true;
  change.has_commit = true;
  change.irreversible.push_back(change.action == Action::replace ? fmt::format("the old disk of {} is deleted", name)
                                                                 : fmt::format("the disk of {} is deleted", name));
  if (is_running(change.before.attributes.text("power"))) {
    change.notes.push_back(fmt::format("{} is shut down", name));
  }
}

}  // namespace gpuplan::vm_define
