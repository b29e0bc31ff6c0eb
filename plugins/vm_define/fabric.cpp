#include "fabric.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "host/xml/domain_xml.h"

namespace gpuplan::vm_define {
namespace {

constexpr const char* inactive = "inactive";

// The partition of exactly these GPUs; nothing if there is none or if a module id is unknown, which goes to `unknown`.
std::optional<FabricPartition> partition_of(const std::vector<std::string>& gpus,
                                            const std::vector<FabricPartition>& partitions, HostReader& host,
                                            std::vector<std::string>& unknown) {
  GpuModules modules;
  for (const std::string& gpu : gpus) {
    const auto address = parse_bdf(gpu);
    const auto module = address ? read_gpu_module(host, *address) : std::nullopt;
    if (module) modules.insert(*module);
    else unknown.push_back(gpu);
  }
  const FabricPartition* found = modules.size() == gpus.size() ? find_partition(partitions, modules) : nullptr;
  return found == nullptr ? std::nullopt : std::optional<FabricPartition>(*found);
}

bool overlap(const FabricPartition& a, const FabricPartition& b) {
  return std::any_of(a.modules.begin(), a.modules.end(),
                     [&](std::int64_t module) { return b.modules.count(module) > 0; });
}

std::optional<FabricPartition> find_by_id(const std::vector<FabricPartition>& partitions, const std::string& id) {
  for (const FabricPartition& partition : partitions) {
    if (fmt::format("{}", partition.id) == id) return partition;
  }
  return std::nullopt;
}

std::string active_id(const Change& change) {
  const std::string id = change.before.attributes.text(active_partition);
  return id == inactive ? "" : id;
}

std::string wanted_id(const Change& change) { return change.before.attributes.text(wanted_partition); }

bool was_active(const Json& captured, const std::string& id) {
  const Json& ids = member_at(captured, "/active_partitions");
  return std::any_of(ids.begin(), ids.end(), [&](const Json& item) {
    return item.is_string() && item.get_ref<const std::string&>() == id;
  });
}

std::string who_overlaps(const FabricPartition& wanted, const std::vector<FabricPartition>& partitions) {
  for (const FabricPartition& other : partitions) {
    if (other.id == wanted.id || !other.active || !overlap(other, wanted)) continue;
    return fmt::format("partition {} shares GPUs with it and is active; if no VM uses those: `{}`", other.id,
                       join_argv(partition_command(other.id, false).argv));
  }
  return fmt::format("look at `{}` and at {}", partitions_source, fabric_log_path);
}

void switch_partition(const std::string& id, bool on, Host& host, StepContext& context) {
  if (id.empty() || !shares_fabric(host.files())) return;
  const char* const verb = on ? "activate" : "deactivate";
  const auto partitions = read_fabric_partitions(host);
  const auto partition = find_by_id(partitions, id);
  if (!partition) {
    throw HostError(HostError::Kind::failed, partitions_source,
                    fmt::format("cannot {} partition {}: Fabric Manager does not show it; see that {} runs and that `{}` "
                                "lists it, then run gpuplan again", verb, id, fabric_service, partitions_source));
  }
  if (partition->active == on) return;  // Fabric Manager refuses what is done already
  context.progress(fmt::format("{} NVSwitch partition {}", on ? "activating" : "deactivating", id));
  const Command command = partition_command(partition->id, on);
  const CommandResult result = host.run(command);
  if (result.ok()) return;
  std::string said = result.output + result.errors;
  while (!said.empty() && said.back() == '\n') said.pop_back();
  throw HostError(HostError::Kind::failed, join_argv(command.argv),
                  fmt::format("cannot {} NVSwitch partition {}: {}; {}", verb, id,
                              said.empty() ? fmt::format("exit status {}", result.exit_status) : said,
                              who_overlaps(*partition, partitions)));
}

bool has_running_vm(const std::vector<std::string>& gpus, HostReader& host) {
  for (const DomainState& state : host.hypervisor().domains()) {
    const auto definition = parse_domain(state.xml);
    if (!definition || state.power != PowerState::running) continue;
    for (const Bdf& device : definition->devices) {
      if (std::find(gpus.begin(), gpus.end(), device.to_string()) != gpus.end()) return true;
    }
  }
  return false;
}

}  // namespace

void drop(Change& change, std::string_view attribute) {
  change.attributes.erase(std::remove_if(change.attributes.begin(), change.attributes.end(),
                                         [&](const AttributeChange& item) { return item.name == attribute; }),
                          change.attributes.end());
}

void observe_partition(const Vm& vm, HostReader& host, Observation& observed) {
  const std::vector<std::string> now = observed.attributes.list("gpus");
  if ((vm.gpus.empty() && now.empty()) || !shares_fabric(host.files())) return;
  const auto partitions = read_fabric_partitions(host);
  if (partitions.empty()) {
    observed.unreadable.push_back(fmt::format("{}: `{}` lists no partitions", active_partition, partitions_source));
    return;
  }
  std::vector<std::string> unknown;
  if (const auto wanted = partition_of(vm.gpus, partitions, host, unknown)) {
    observed.attributes.set(wanted_partition, fmt::format("{}", wanted->id));
    observed.read_from[wanted_partition] = fabric_source;
  }
  const auto has = partition_of(now, partitions, host, unknown);
  if (observed.exists && has) {
    observed.attributes.set(active_partition, has->active ? fmt::format("{}", has->id) : std::string(inactive));
    observed.read_from[active_partition] = partitions_source;
  }
  if (unknown.empty()) return;
  observed.unreadable.push_back(fmt::format("{}: the module id of {} is known only while the nvidia driver has it",
                                            active_partition, unknown.front()));
}

void plan_partition(Change& change) {
  drop(change, wanted_partition);
  drop(change, active_partition);  // computed: shown as known after apply, but it is known now
  const Value* observed = change.before.attributes.find(active_partition);
  const std::string wanted = wanted_id(change);
  const Value before = observed == nullptr ? Value(std::string(inactive)) : *observed;
  if (!wanted.empty() && before != Value(wanted)) {
    change.attributes.push_back({active_partition, before, wanted, true, false, false});
    change.notes.push_back(fmt::format("NVSwitches are shared with the host: its Fabric Manager activates partition {}, which is "
                                       "exactly these GPUs", wanted));
    if (change.action == Action::create || change.action == Action::replace) return;
    change.action = Action::update;
    change.has_apply = true;
    change.reasons.push_back(fmt::format("`{}` is {}, the GPUs are partition {}", active_partition, to_text(before), wanted));
  } else if (wanted.empty() && observed != nullptr && change.resource.declared.list("gpus").empty()) {
    change.attributes.push_back({active_partition, before, Value{}, true, false, false});
  }
}

bool leaves_partition(const Change& change) {
  const std::string active = active_id(change);
  if (active.empty()) return false;
  return active != wanted_id(change) &&
         change.before.attributes.list("gpus") != change.resource.declared.list("gpus");
}

Json capture_partitions(const Change& change, HostReader& host) {
  Json ids = Json::array();
  if (wanted_id(change).empty() && active_id(change).empty()) return ids;
  for (const FabricPartition& partition : read_fabric_partitions(host)) {
    const std::string id = fmt::format("{}", partition.id);
    if (partition.active && (id == wanted_id(change) || id == active_id(change))) ids.push_back(id);
  }
  return ids;
}

void enter_partition(const Change& change, Host& host, StepContext& context) {
  switch_partition(wanted_id(change), true, host, context);
}

void leave_partition(const Change& change, const Json& origin, Host& host, StepContext& context) {
  if (change.action == Action::update) {
    if (leaves_partition(change)) switch_partition(active_id(change), false, host, context);
    return;
  }
  std::string id = active_id(change);
  if (!change.before.exists) {
    // Somebody took the VM away, and left the partition as it was.
    id = has_running_vm(change.resource.declared.list("gpus"), host) ? "" : wanted_id(change);
  }
  // What was active before gpuplan came stays so.
  if (change.action == Action::remove && was_active(origin, id)) return;
  switch_partition(id, false, host, context);
}

void undo_enter_partition(const Change& change, const Json& captured, Host& host, StepContext& context) {
  const std::string id = wanted_id(change);
  if (!was_active(captured, id)) switch_partition(id, false, host, context);
}

void undo_leave_partition(const Change& change, const Json& captured, Host& host, StepContext& context) {
  const std::string id = change.before.exists ? active_id(change) : wanted_id(change);
  if (was_active(captured, id)) switch_partition(id, true, host, context);
}

void check_partition(const Vm& vm, HostReader& host, Findings& findings) {
  if (vm.gpus.empty() || !shares_fabric(host.files())) return;
  const auto partitions = read_fabric_partitions(host);
  std::vector<std::string> unknown;
  const auto wanted = partition_of(vm.gpus, partitions, host, unknown);
  if (!wanted) return;  // iommu-check says why
  std::set<std::int64_t> ours;
  for (const DomainState& state : host.hypervisor().domains()) {
    const auto definition = parse_domain(state.xml);
    if (!definition || definition->owner.cluster != vm.owner) continue;
    GpuModules modules;
    for (const Bdf& device : definition->devices) {
      if (const auto module = read_gpu_module(host, device)) modules.insert(*module);
    }
    if (const FabricPartition* partition = find_partition(partitions, modules)) ours.insert(partition->id);
  }
  for (const FabricPartition& other : partitions) {
    if (!other.active || other.id == wanted->id || ours.count(other.id) > 0 || !overlap(other, *wanted)) continue;
    findings.fail("fabric-partition",
                  fmt::format("the GPUs of {} are NVSwitch partition {}, but partition {} has some of them and is active",
                              vm.name, wanted->id, other.id),
                  partitions_source,
                  fmt::format("if no VM uses it: `{}`", join_argv(partition_command(other.id, false).argv)));
    return;
  }
  findings.pass("fabric-partition",
                fmt::format("the GPUs of {} are NVSwitch partition {}, which is {}", vm.name, wanted->id,
                            wanted->active ? "active" : "free"),
                partitions_source);
}

}  // namespace gpuplan::vm_define
