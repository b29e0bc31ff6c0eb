#include <fmt/format.h>

#include "host/sim/model_yaml.h"

namespace gpuplan::sim {
namespace {

// Leaves out what decode_model would assume anyway.
template <class Value>
void put(Json& object, const char* key, const Value& value, const Value& assumed) {
  if (!(value == assumed)) object[key] = value;
}

void put(Json& object, const char* key, const std::string& value) {
  if (!value.empty()) object[key] = value;
}

void put(Json& object, const char* key, const std::vector<std::string>& value) {
  if (!value.empty()) object[key] = value;
}

void put(Json& object, const char* key, bool value) {
  if (value) object[key] = true;
}

void put_section(Json& object, const char* key, Json section) {
  if (!section.empty()) object[key] = std::move(section);
}

Json encode_device(const Device& device) {
  Json out = Json::object();
  out["address"] = device.address.to_string();
  out["id"] = device.id.to_string();
  if (device.behind) out["behind"] = device.behind->to_string();
  if (device.subsystem != device.id) out["subsystem"] = device.subsystem.to_string();
  out["class"] = format_class(device.class_code);
  if (device.revision != 0) out["revision"] = fmt::format("0x{:02x}", device.revision);
  put(out, "numa_node", device.numa_node, -1);
  if (device.iommu_group) out["iommu_group"] = *device.iommu_group;
  put(out, "default_driver", device.default_driver);
  put(out, "driver", device.driver, device.default_driver);
  put(out, "driver_override", device.driver_override);
  for (const Bar& bar : device.bars) out["bars"][std::to_string(bar.index)] = format_bar(bar);
  put(out, "reset_methods", device.reset_methods);
  if (device.boot_vga) out["boot_vga"] = *device.boot_vga;
  put(out, "sriov_numvfs", device.virtual_functions, 0);
  put(out, "net", device.net);
  put(out, "block", device.block);
  put(out, "sound", device.sound);
  put(out, "model", device.model);
  put(out, "minor", device.minor, -1);
  put(out, "module_id", device.module_id, 0);
  put(out, "persistence", device.persistence);
  put(out, "mig", device.mig);
  put(out, "fabric", device.fabric);
  put(out, "unbind_lock", device.unbind_lock);
  put(out, "may_sleep", device.may_sleep, device.driver == "vfio-pci");
  put(out, "hangs", device.hangs);
  put(out, "stuck", device.stuck);
  put(out, "waits_for_release", device.waits_for_release);
  return out;
}

Json encode_volume(const Volume& volume) {
  Json out = {{"name", volume.name}, {"capacity", volume.capacity}};
  put(out, "allocation", volume.allocation, std::int64_t{0});
  put(out, "backing", volume.backing);
  put(out, "format", volume.format, std::string("qcow2"));
  put(out, "sha256", volume.sha256);
  if (volume.guest) out["guest"] = to_json(*volume.guest);
  return out;
}

Json encode_machine(const Machine& machine) {
  Json out = {{"address", machine.address}, {"host_key", machine.host_key}};
  put(out, "user", machine.user, std::string("root"));
  put(out, "sudo", machine.sudo, true);
  put(out, "answers", machine.answers, true);
  put(out, "gpus", machine.gpus, std::int64_t{0});
  put(out, "node", machine.node);
  if (!machine.disk.files.empty() || !machine.disk.state.empty()) out["guest"] = to_json(machine.disk);
  return out;
}

Json encode_domain(const Domain& domain) {
  Json out = {{"name", domain.name}, {"uuid", domain.uuid}, {"xml", domain.xml}};
  if (domain.running_xml != domain.xml) put(out, "running_xml", domain.running_xml);
  put(out, "persistent", domain.persistent, true);
  put(out, "autostart", domain.autostart);
  if (domain.power != PowerState::off) out["power"] = domain.power == PowerState::running ? "running" : "crashed";
  put(out, "started_at", domain.started_at, std::int64_t{0});
  put(out, "off_at", domain.off_at, std::int64_t{0});
  return out;
}

Json encode_libvirt(const Model& model) {
  const Model assumed;
  Json out = Json::object();
  put(out, "reachable", model.libvirt_reachable, true);
  put(out, "storage_capacity_gib", model.storage_capacity_gib, assumed.storage_capacity_gib);
  put(out, "storage_free_gib", model.storage_free_gib, assumed.storage_free_gib);
  for (const Pool& pool : model.pools) {
    Json item = {{"name", pool.name}, {"path", pool.path}};
    put(item, "active", pool.active, true);
    for (const Volume& volume : pool.volumes) item["volumes"].push_back(encode_volume(volume));
    out["pools"].push_back(std::move(item));
  }
  for (const Network& network : model.networks) {
    Json item = {{"name", network.name}, {"uuid", network.uuid}, {"xml", network.xml}};
    put(item, "bridge", network.bridge);
    put(item, "active", network.active);
    put(item, "autostart", network.autostart);
    out["networks"].push_back(std::move(item));
  }
  for (const Domain& domain : model.domains) out["domains"].push_back(encode_domain(domain));
  return out;
}

void encode_machine(const Model& model, Json& out) {
  const Model assumed;
  Json& os = out["os"];
  os = {{"id", model.os.id}, {"version_id", model.os.version_id}, {"name", model.os.name}, {"kernel", model.os.kernel}};
  out["cpu"] = {{"vendor", model.cpu.vendor},
                {"model", model.cpu.model},
                {"virtualization", model.cpu.virtualization},
                {"physical_bits", model.cpu.physical_bits},
                {"virtual_bits", model.cpu.virtual_bits}};
  put(out["cpu"], "hypervisor", model.cpu.hypervisor);
  out["iommu"] = {{"table", model.iommu.table},
                  {"enabled", model.iommu.enabled},
                  {"interrupt_remapping", model.iommu.interrupt_remapping},
                  {"allow_unsafe_interrupts", model.iommu.allow_unsafe_interrupts},
                  {"address_bits", model.iommu.address_bits}};
  for (const NumaNode& node : model.numa) {
    Json item = {{"cpus", node.cpus}, {"memory", node.memory_mib}};
    put(item, "hugepages_2m", node.hugepages_2m, std::int64_t{0});
    put(item, "hugepages_1g", node.hugepages_1g, std::int64_t{0});
    out["numa"].push_back(std::move(item));
  }
  put(out, "memory_used", model.memory_used_mib, assumed.memory_used_mib);
  put(out, "kernel_command_line", model.kernel_command_line);
  Json modules = Json::object();
  put(modules, "loaded", model.modules_loaded);
  put(modules, "available", model.modules_available);
  put(modules, "builtin", model.modules_builtin);
  put_section(out, "modules", std::move(modules));
  for (const auto& [driver, ids] : model.dynamic_ids) {
    if (!ids.empty()) out["dynamic_ids"][driver] = ids;
  }
  if (!model.unbind_lock_offered) out["nvidia"]["unbind_lock"] = false;
  put(out, "packages", model.packages);
}

void encode_programs(const Model& model, Json& out) {
  for (const auto& [name, service] : model.services) {
    Json item = Json::object();
    put(item, "active", service.active);
    put(item, "enabled", service.enabled);
    put(item, "description", service.description);
    out["services"][name] = std::move(item);
  }
  for (const Process& process : model.processes) {
    Json item = {{"pid", process.pid}, {"comm", process.comm}};
    put(item, "command_line", process.command_line, process.comm);
    put(item, "unit", process.unit);
    put(item, "opens", process.opens);
    const auto assumed = process_runs(model, process) ? process.opens : std::vector<std::string>();
    if (process.files != assumed) item["files"] = process.files;
    out["processes"].push_back(std::move(item));
  }
  if (model.fabric_manager.mode == "none") return;
  Json& manager = out["fabric_manager"];
  manager["mode"] = model.fabric_manager.mode;
  for (const Partition& partition : model.fabric_manager.partitions) {
    Json item = {{"id", partition.id}, {"modules", partition.modules}};
    put(item, "active", partition.active);
    manager["partitions"].push_back(std::move(item));
  }
}

void encode_files(const Model& model, Json& out) {
  for (const auto& [path, file] : model.files) {
    out["files"][path] = {{"content", file.content}, {"mode", fmt::format("{:04o}", file.mode)}};
  }
  if (!model.directories.empty()) out["directories"] = model.directories;
  for (const Mount& mount : model.mounts) {
    out["mounts"].push_back({{"device", mount.device}, {"path", mount.path}, {"type", mount.type}});
  }
  for (const Route& route : model.routes) {
    Json item = {{"interface", route.interface}, {"destination", route.destination}};
    put(item, "gateway", route.gateway);
    out["routes"].push_back(std::move(item));
  }
}

}  // namespace

std::string format_class(std::uint32_t class_code) { return fmt::format("0x{:06x}", class_code); }

std::string format_bar(const Bar& bar) {
  constexpr std::uint64_t kib = 1024;
  std::string text = bar.size % (kib * kib * kib) == 0 ? fmt::format("{}G", bar.size / (kib * kib * kib))
                     : bar.size % (kib * kib) == 0     ? fmt::format("{}M", bar.size / (kib * kib))
                     : bar.size % kib == 0             ? fmt::format("{}K", bar.size / kib)
                                                       : std::to_string(bar.size);
  if (bar.is_64_bit) text += " 64bit";
  if (bar.is_prefetchable) text += " prefetchable";
  if (!bar.assigned) text += " unassigned";
  return text;
}

std::string encode_model(const Model& model) {
  const Model assumed;
  Json out = Json::object();
  out["machine_id"] = model.machine_id;
  out["time"] = model.time;
  put(out, "clock_speed", model.clock_speed, assumed.clock_speed);
  if (model.source) out["source"] = {{"path", model.source->path}, {"sha256", model.source->sha256}};
  encode_machine(model, out);
  for (const Device& device : model.devices) out["pci"].push_back(encode_device(device));
  encode_programs(model, out);
  encode_files(model, out);
  put_section(out, "libvirt", encode_libvirt(model));
  Json guest = Json::object();
  put(guest, "boot_seconds", model.boot_seconds, assumed.boot_seconds);
  put(guest, "shutdown_seconds", model.shutdown_seconds, assumed.shutdown_seconds);
  put(guest, "unreachable", model.unreachable_guests);
  put(guest, "without_network", model.guests_without_network);
  put_section(out, "guest", std::move(guest));
  for (const Machine& machine : model.machines) out["machines"].push_back(encode_machine(machine));
  put(out, "image_reachable", model.image_reachable, true);
  put(out, "image_sha256", model.image_sha256);
  return to_yaml(out);
}

}  // namespace gpuplan::sim
