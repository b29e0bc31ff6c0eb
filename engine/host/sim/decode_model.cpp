#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "host/sim/decode_device.h"
#include "host/sim/decode_libvirt.h"
#include "host/sim/guest_yaml.h"
#include "host/sim/model_yaml.h"
#include "spec/network_range.h"
#include "yaml/decode.h"

namespace gpuplan::sim {
namespace {

// Reads the mapping under `key`, if there is one, and reports what is unknown in it.
template <class Read>
void section(MappingDecoder& document, std::string_view key, Diagnostics& diagnostics, Read read) {
  const YamlNode* node = document.node(key);
  if (node == nullptr) return;
  MappingDecoder mapping(*node, document.path(key), diagnostics);
  if (!mapping.valid()) return;
  read(mapping);
  mapping.finish();
}

void decode_machine(MappingDecoder& document, Model& model, Diagnostics& diagnostics) {
  section(document, "os", diagnostics, [&](MappingDecoder& os) {
    os.string("id", model.os.id);
    os.string("version_id", model.os.version_id);
    os.string("name", model.os.name);
    os.string("kernel", model.os.kernel);
  });
  section(document, "cpu", diagnostics, [&](MappingDecoder& cpu) {
    cpu.choice("vendor", model.cpu.vendor, {"GenuineIntel", "AuthenticAMD"});
    cpu.string("model", model.cpu.model);
    cpu.boolean("virtualization", model.cpu.virtualization);
    cpu.boolean("hypervisor", model.cpu.hypervisor);
    cpu.integer("physical_bits", model.cpu.physical_bits, 32, 57);
    cpu.integer("virtual_bits", model.cpu.virtual_bits, 32, 64);
  });
  section(document, "iommu", diagnostics, [&](MappingDecoder& iommu) {
    iommu.choice("table", model.iommu.table, {"DMAR", "IVRS", "none"});
    iommu.boolean("enabled", model.iommu.enabled);
    iommu.boolean("interrupt_remapping", model.iommu.interrupt_remapping);
    iommu.boolean("allow_unsafe_interrupts", model.iommu.allow_unsafe_interrupts);
    iommu.integer("address_bits", model.iommu.address_bits, 32, 64);
  });
  each_item(document, "numa", diagnostics, [&](const YamlNode& item, const std::string& path) {
    NumaNode node;
    MappingDecoder mapping(item, path, diagnostics);
    mapping.string("cpus", node.cpus);
    mapping.integer("memory", node.memory_mib, 0, 1 << 30);
    mapping.integer("hugepages_2m", node.hugepages_2m, 0, 1 << 30);
    mapping.integer("hugepages_1g", node.hugepages_1g, 0, 1 << 20);
    mapping.finish();
    model.numa.push_back(node);
  });
  document.integer("memory_used", model.memory_used_mib, 0, 1 << 30);
  document.string("kernel_command_line", model.kernel_command_line);
  section(document, "modules", diagnostics, [&](MappingDecoder& modules) {
    modules.string_list("loaded", model.modules_loaded);
    modules.string_list("available", model.modules_available);
    modules.string_list("builtin", model.modules_builtin);
  });
  section(document, "dynamic_ids", diagnostics, [&](MappingDecoder& ids) {
    for (const YamlNode::Entry& entry : document.node("dynamic_ids")->entries()) {
      ids.string_list(entry.key, model.dynamic_ids[entry.key]);
    }
  });
  section(document, "nvidia", diagnostics,
          [&](MappingDecoder& nvidia) { nvidia.boolean("unbind_lock", model.unbind_lock_offered); });
  document.string_list("packages", model.packages);
}

void decode_devices(MappingDecoder& document, Model& model, Diagnostics& diagnostics) {
  each_item(document, "pci", diagnostics, [&](const YamlNode& item, const std::string& path) {
    Device device = decode_device(item, path, diagnostics);
    for (const Device& other : model.devices) {
      if (other.address != device.address) continue;
      diagnostics.error(item.where(), fmt::format("{}: address {} stands twice", path, device.address.to_string()),
                        "give each function an address of its own");
    }
    model.devices.push_back(std::move(device));
  });
  std::sort(model.devices.begin(), model.devices.end(),
            [](const Device& a, const Device& b) { return a.address < b.address; });
  int minor = 0;
  for (Device& device : model.devices) {
    if (device.default_driver == "nvidia" && device.minor < 0) device.minor = minor;
    if (device.default_driver == "nvidia") ++minor;
  }
}

void decode_programs(MappingDecoder& document, Model& model, Diagnostics& diagnostics) {
  if (const YamlNode* services = document.node("services")) {
    MappingDecoder mapping(*services, "services", diagnostics);
    for (const YamlNode::Entry& entry : services->entries()) {
      Service service;
      section(mapping, entry.key, diagnostics, [&](MappingDecoder& values) {
        values.boolean("active", service.active);
        values.boolean("enabled", service.enabled);
        values.string("description", service.description);
      });
      model.services[entry.key] = service;
    }
  }
  each_item(document, "processes", diagnostics, [&](const YamlNode& item, const std::string& path) {
    Process process;
    MappingDecoder mapping(item, path, diagnostics);
    mapping.integer("pid", process.pid, 1, 1 << 22);
    mapping.string("comm", process.comm);
    process.command_line = process.comm;
    mapping.string("command_line", process.command_line);
    mapping.string("unit", process.unit);
    mapping.string_list("opens", process.opens);
    const bool told = mapping.node("files") != nullptr;
    mapping.string_list("files", process.files);
    mapping.finish();
    if (!told && process_runs(model, process)) process.files = process.opens;
    if (process.pid == 0) diagnostics.error(item.where(), path + " has no pid", "add pid: 4242");
    model.processes.push_back(std::move(process));
  });
  section(document, "fabric_manager", diagnostics, [&](MappingDecoder& manager) {
    manager.choice("mode", model.fabric_manager.mode, {"none", "bare-metal", "shared"});
    each_item(manager, "partitions", diagnostics, [&](const YamlNode& item, const std::string& path) {
      Partition partition;
      std::int64_t id = 0;
      MappingDecoder mapping(item, path, diagnostics);
      mapping.integer("id", id, 0, 255);
      mapping.boolean("active", partition.active);
      each_item(mapping, "modules", diagnostics, [&](const YamlNode& module, const std::string& where) {
        const auto number = decode_int(module, where, diagnostics, 1, 64);
        if (number) partition.modules.push_back(static_cast<int>(*number));
      });
      mapping.finish();
      partition.id = static_cast<int>(id);
      model.fabric_manager.partitions.push_back(std::move(partition));
    });
  });
}

void decode_mode(const YamlNode& node, const std::string& path, unsigned& mode, Diagnostics& diagnostics) {
  const std::string& text = node.text();
  const auto end = std::from_chars(text.data(), text.data() + text.size(), mode, 8);
  if (!text.empty() && end.ec == std::errc{} && end.ptr == text.data() + text.size() && mode <= 07777) return;
  diagnostics.error(node.where(), fmt::format("{} must be an octal mode such as \"0644\", not \"{}\"", path, text));
}

void decode_files(MappingDecoder& document, Model& model, Diagnostics& diagnostics) {
  if (const YamlNode* files = document.node("files")) {
    const MappingDecoder is_mapping(*files, "files", diagnostics);
    for (const YamlNode::Entry& entry : files->entries()) {
      PlainFile file;
      if (entry.key.empty() || entry.key[0] != '/') {
        diagnostics.error(entry.key_where, fmt::format("files: \"{}\" is not an absolute path", entry.key),
                          "begin it with a slash");
      }
      if (entry.value.is_mapping()) {
        MappingDecoder mapping(entry.value, "files." + entry.key, diagnostics);
        mapping.string("content", file.content);
        if (const YamlNode* mode = mapping.node("mode")) decode_mode(*mode, mapping.path("mode"), file.mode, diagnostics);
        mapping.finish();
      } else if (const auto content = decode_string(entry.value, "files." + entry.key, diagnostics)) {
        file.content = *content;
      }
      model.files[entry.key] = std::move(file);
    }
  }
  std::vector<std::string> directories;
  document.string_list("directories", directories);
  model.directories.insert(directories.begin(), directories.end());
  each_item(document, "mounts", diagnostics, [&](const YamlNode& item, const std::string& path) {
    Mount mount;
    MappingDecoder mapping(item, path, diagnostics);
    mapping.string("device", mount.device);
    mapping.string("path", mount.path);
    mapping.string("type", mount.type);
    mapping.finish();
    model.mounts.push_back(std::move(mount));
  });
  each_item(document, "routes", diagnostics, [&](const YamlNode& item, const std::string& path) {
    Route route;
    MappingDecoder mapping(item, path, diagnostics);
    mapping.string("interface", route.interface);
    mapping.string("destination", route.destination);
    mapping.string("gateway", route.gateway);
    mapping.finish();
    if (!parse_ipv4_range(route.destination)) {
      diagnostics.error(item.where(), fmt::format("{}.destination must be a range such as 10.0.0.0/16, not \"{}\"",
                                                  path, route.destination));
    }
    model.routes.push_back(std::move(route));
  });
}

void decode_guests(MappingDecoder& document, Model& model, Diagnostics& diagnostics) {
  section(document, "guest", diagnostics, [&](MappingDecoder& guest) {
    guest.integer("boot_seconds", model.boot_seconds, 0, 86400);
    guest.integer("shutdown_seconds", model.shutdown_seconds, 0, 86400);
    guest.string_list("unreachable", model.unreachable_guests);
    guest.string_list("without_network", model.guests_without_network);
  });
  each_item(document, "machines", diagnostics, [&](const YamlNode& item, const std::string& path) {
    Machine machine;
    MappingDecoder mapping(item, path, diagnostics);
    mapping.string("address", machine.address);
    mapping.string("user", machine.user);
    mapping.boolean("sudo", machine.sudo);
    mapping.boolean("answers", machine.answers);
    mapping.integer("gpus", machine.gpus, 0, 64);
    mapping.string("host_key", machine.host_key);
    mapping.string("node", machine.node);
    if (const YamlNode* guest = mapping.node("guest")) machine.disk = guest_disk_from_json(json_from_yaml(*guest));
    mapping.finish();
    model.machines.push_back(std::move(machine));
  });
  document.boolean("image_reachable", model.image_reachable);
  document.string("image_sha256", model.image_sha256);
}

// What the hardware cannot be: a device behind what is no bridge, or behind a bus with a higher number.
void check_bridges(const Model& model, Diagnostics& diagnostics, const YamlNode& document) {
  for (const Device& device : model.devices) {
    if (!device.behind) continue;
    const Device* bridge = model.device(*device.behind);
    const bool above = bridge != nullptr && bridge->is_bridge() && bridge->address.domain == device.address.domain &&
                       bridge->address.bus < device.address.bus;
    if (above) continue;
    diagnostics.error(document.find("pci")->where(),
                      fmt::format("pci: {} is behind {}, which is no bridge of a bus with a lower number",
                                  device.address.to_string(), device.behind->to_string()),
                      "name a function of class 0x06 on a lower bus, or leave `behind` away");
  }
}

// What the hardware cannot be: a device bound to a driver that is not there.
void check_drivers(const Model& model, Diagnostics& diagnostics, const YamlNode& document) {
  for (const Device& device : model.devices) {
    if (device.driver.empty() || driver_registered(model, device.driver)) continue;
    diagnostics.error(document.find("pci")->where(),
                      fmt::format("pci: {} is bound to {}, whose module {} is not loaded", device.address.to_string(),
                                  device.driver, module_of_driver(device.driver)),
                      "add the module to modules.loaded or modules.builtin");
  }
}

}  // namespace

std::optional<Model> decode_model(const YamlNode& document, Diagnostics& diagnostics) {
  const std::size_t errors_before = diagnostics.error_count();
  Model model;
  MappingDecoder mapping(document, "", diagnostics);
  if (!mapping.valid()) return std::nullopt;
  mapping.string("machine_id", model.machine_id);
  if (model.machine_id.empty()) {
    diagnostics.error(document.where(), "a simulated host needs a machine_id",
                      "add machine_id: followed by 32 hexadecimal digits of your choice");
  }
  mapping.integer("time", model.time, 0, std::numeric_limits<std::int64_t>::max());
  mapping.integer("clock_speed", model.clock_speed, 0, 100000);
  section(mapping, "source", diagnostics, [&](MappingDecoder& source) {
    model.source.emplace();
    source.string("path", model.source->path);
    source.string("sha256", model.source->sha256);
  });
  decode_machine(mapping, model, diagnostics);
  decode_devices(mapping, model, diagnostics);
  decode_programs(mapping, model, diagnostics);
  decode_files(mapping, model, diagnostics);
  decode_libvirt(mapping, model, diagnostics);
  decode_guests(mapping, model, diagnostics);
  mapping.finish();
  if (diagnostics.error_count() == errors_before) check_drivers(model, diagnostics, document);
  if (diagnostics.error_count() == errors_before) check_bridges(model, diagnostics, document);
  if (diagnostics.error_count() != errors_before) return std::nullopt;
  return model;
}

}  // namespace gpuplan::sim
