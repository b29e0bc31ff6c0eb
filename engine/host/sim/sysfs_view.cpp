#include <fmt/format.h>

#include <algorithm>

#include "host/sim/model_yaml.h"
#include "host/sim/view.h"

namespace gpuplan::sim {
namespace {

constexpr std::uint64_t io_mem = 0x00000200;        // IORESOURCE_MEM, include/linux/ioport.h
constexpr std::uint64_t io_prefetch = 0x00002000;
constexpr std::uint64_t io_size_align = 0x00040000;
constexpr std::uint64_t io_mem_64 = 0x00100000;

std::string hex(std::uint32_t value, int digits) { return fmt::format("0x{:0{}x}\n", value, digits); }

// A place for every BAR that is the same in every process: below 4 GiB for 32-bit ones, else one
// terabyte per function.
std::uint64_t bar_base(const Model& model, const Device& device, const Bar& wanted) {
  const auto number = static_cast<std::uint64_t>(&device - model.devices.data());
  std::uint64_t next = wanted.is_64_bit ? 0x2000'0000'0000 + (number << 40U) : 0x9000'0000 + (number << 24U);
  for (const Bar& bar : device.bars) {
    if (bar.is_64_bit != wanted.is_64_bit) continue;
    next = (next + bar.size - 1) / bar.size * bar.size;
    if (bar.index == wanted.index) return next;
    next += bar.size;
  }
  return next;
}

std::string resource_table(const Model& model, const Device& device) {
  std::string out;
  for (int index = 0; index < 7; ++index) {
    const auto bar =
        std::find_if(device.bars.begin(), device.bars.end(), [&](const Bar& b) { return b.index == index; });
    std::uint64_t start = 0;
    std::uint64_t end = 0;
    std::uint64_t flags = 0;
    if (bar != device.bars.end()) {
      // The kernel shows a BAR that it could not place as starting at 0.
      start = bar->assigned ? bar_base(model, device, *bar) : 0;
      end = start + bar->size - 1;
      flags = io_mem | io_size_align | (bar->is_prefetchable ? io_prefetch : 0) | (bar->is_64_bit ? io_mem_64 : 0);
    }
    out += fmt::format("0x{:016x} 0x{:016x} 0x{:016x}\n", start, end, flags);
  }
  return out;
}

std::string modalias(const Device& device) {
  return fmt::format("pci:v{:08X}d{:08X}sv{:08X}sd{:08X}bc{:02X}sc{:02X}i{:02X}\n", device.id.vendor, device.id.device,
                     device.subsystem.vendor, device.subsystem.device, device.class_code >> 16U,
                     (device.class_code >> 8U) & 0xffU, device.class_code & 0xffU);
}

std::string local_cpus(const Model& model, const Device& device) {
  if (device.numa_node >= 0 && static_cast<std::size_t>(device.numa_node) < model.numa.size()) {
    return model.numa[static_cast<std::size_t>(device.numa_node)].cpus;
  }
  std::string all;
  for (const NumaNode& node : model.numa) all += (all.empty() ? "" : ",") + node.cpus;
  return all;
}

const Device* bridge_above(const Model& model, const Device& device) {
  return device.behind ? model.device(*device.behind) : nullptr;
}

// Where a function stands below /sys/devices, without itself: "pci0000:00/0000:00:01.1".
std::string devices_root(const Model& model, const Device& device) {
  if (const Device* bridge = bridge_above(model, device)) {
    return devices_root(model, *bridge) + "/" + bridge->address.to_string();
  }
  return fmt::format("pci{:04x}:{:02x}", device.address.domain, device.address.bus);
}

// The way up from a function's directory to /sys: a link in it begins so.
std::string up_to_sys(const Model& model, const Device& device) {
  std::string up = "../../../";
  for (const Device* bridge = bridge_above(model, device); bridge != nullptr; bridge = bridge_above(model, *bridge)) {
    up += "../";
  }
  return up;
}

Entries empty_directories(const std::vector<std::string>& names) {
  Entries entries;
  for (const std::string& name : names) entries.emplace_back(name, Node::directory([] { return Entries(); }));
  return entries;
}

// Directories that hold nothing but one other, down to `leaf`.
Node nested(const std::vector<std::string>& names, std::size_t from, Node leaf) {
  if (from == names.size()) return leaf;
  return Node::directory([names, from, leaf] {
    Entries entries;
    entries.emplace_back(names[from], nested(names, from + 1, leaf));
    return entries;
  });
}

void add_driver_entries(const Model& model, const Device& device, const std::string& bdf, Entries& out) {
  const bool hangs = device.stuck || device.waits_for_release;
  const std::string override_text = device.driver_override.empty() ? "(null)" : device.driver_override;
  out.emplace_back("driver_override", Node::file(override_text + "\n").writable(Attribute::driver_override, bdf));
  out.back().second.device_hangs = hangs;
  if (!device.driver.empty()) {
    out.emplace_back("driver", Node::link(up_to_sys(model, device) + "bus/pci/drivers/" + device.driver));
    out.back().second.device_hangs = hangs;
  }
  if (device.iommu_group && model.iommu.enabled) {
    const std::string group = fmt::format("kernel/iommu_groups/{}", *device.iommu_group);
    out.emplace_back("iommu_group", Node::link(up_to_sys(model, device) + group));
  }
}

Entries device_entries(const Model& model, const Device& device) {
  const std::string bdf = device.address.to_string();
  Entries out;
  const auto file = [&](const char* name, std::string content) { out.emplace_back(name, Node::file(std::move(content))); };
  file("vendor", hex(device.id.vendor, 4));
  file("device", hex(device.id.device, 4));
  file("class", format_class(device.class_code) + "\n");
  file("revision", hex(device.revision, 2));
  file("subsystem_vendor", hex(device.subsystem.vendor, 4));
  file("subsystem_device", hex(device.subsystem.device, 4));
  file("numa_node", fmt::format("{}\n", device.numa_node));
  file("local_cpulist", local_cpus(model, device) + "\n");
  file("modalias", modalias(device));
  file("enable", device.driver.empty() || device.driver == "vfio-pci" ? "0\n" : "1\n");
  file("power_state", device.driver == "vfio-pci" ? "D3hot\n" : "D0\n");
  out.emplace_back("d3cold_allowed", Node::file("1\n").writable(Attribute::harmless, bdf));
  out.emplace_back("resource", Node::file([&model, &device] { return resource_table(model, device); }));
  if (!device.reset_methods.empty()) {
    std::string methods;
    for (const std::string& method : device.reset_methods) methods += (methods.empty() ? "" : " ") + method;
    out.emplace_back("reset_method", Node::file(methods + "\n").writable(Attribute::harmless, bdf));
    out.emplace_back("reset", Node::file("").writable(Attribute::harmless, bdf));
  }
  if (device.boot_vga) file("boot_vga", *device.boot_vga ? "1\n" : "0\n");
  if (device.is_gpu() || device.virtual_functions > 0) {
    const std::string count = fmt::format("{}\n", device.virtual_functions);
    out.emplace_back("sriov_numvfs", Node::file(count).writable(Attribute::sriov_numvfs, bdf));
  }
  out.emplace_back("power", Node::directory([bdf] {
                     Entries power;
                     power.emplace_back("control", Node::file("on\n").writable(Attribute::harmless, bdf));
                     return power;
                   }));
  const bool host_driver = !device.driver.empty() && device.driver != "vfio-pci";
  if (!device.net.empty() && host_driver) {
    out.emplace_back("net", Node::directory([&device] { return empty_directories(device.net); }));
  }
  if (!device.sound.empty() && host_driver) {
    // "controlC1" stands below card1.
    const std::size_t digits = device.sound.front().find('C') + 1;
    const std::string number = device.sound.front().substr(digits, device.sound.front().find('D', digits) - digits);
    out.emplace_back("sound", nested({"card" + number}, 0, Node::directory([&device] {
                                       return empty_directories(device.sound);
                                     })));
  }
  add_driver_entries(model, device, bdf, out);
  for (const Device& below : model.devices) {
    if (below.behind != device.address) continue;
    out.emplace_back(below.address.to_string(),
                     Node::directory([&model, &below] { return device_entries(model, below); }));
  }
  return out;
}

Entries bus_devices(const Model& model) {
  Entries out;
  for (const Device& device : model.devices) {
    const std::string bdf = device.address.to_string();
    out.emplace_back(bdf, Node::link("../../../devices/" + devices_root(model, device) + "/" + bdf));
  }
  return out;
}

Entries driver_entries(const Model& model, const std::string& driver) {
  Entries out;
  const auto write_only = [&](const char* name, Attribute attribute) {
    out.emplace_back(name, Node::file("").writable(attribute, driver));
  };
  write_only("bind", Attribute::bind);
  write_only("unbind", Attribute::unbind);
  write_only("new_id", Attribute::new_id);
  write_only("remove_id", Attribute::remove_id);
  for (const Device& device : model.devices) {
    if (device.driver != driver) continue;
    const std::string bdf = device.address.to_string();
    out.emplace_back(bdf, Node::link("../../../../devices/" + devices_root(model, device) + "/" + bdf));
  }
  if (!driver.empty()) out.emplace_back("module", Node::link("../../../../module/" + module_of_driver(driver)));
  return out;
}

Entries bus_entries(const Model& model) {
  Entries out;
  out.emplace_back("devices", Node::directory([&model] { return bus_devices(model); }));
  out.emplace_back("drivers", Node::directory([&model] {
                     Entries drivers;
                     for (const std::string& name : registered_drivers(model)) {
                       drivers.emplace_back(name, Node::directory([&model, name] { return driver_entries(model, name); }));
                     }
                     return drivers;
                   }));
  out.emplace_back("drivers_probe", Node::file("").writable(Attribute::drivers_probe));
  out.emplace_back("rescan", Node::file("").writable(Attribute::harmless));
  return out;
}

Entries iommu_groups(const Model& model) {
  std::set<int> groups;
  for (const Device& device : model.devices) {
    if (device.iommu_group && model.iommu.enabled) groups.insert(*device.iommu_group);
  }
  Entries out;
  for (const int group : groups) {
    const auto members = [&model, group] {
      Entries links;
      for (const Device* member : group_members(model, group)) {
        const std::string bdf = member->address.to_string();
        links.emplace_back(bdf, Node::link("../../../../devices/" + devices_root(model, *member) + "/" + bdf));
      }
      return links;
    };
    out.emplace_back(std::to_string(group), Node::directory([members] {
                       Entries inner;
                       inner.emplace_back("devices", Node::directory(members));
                       inner.emplace_back("type", Node::file("DMA-FQ\n"));
                       return inner;
                     }));
  }
  return out;
}

// VT-d's capability registers hold the address width (MGAW, bits 21:16) and interrupt remapping
// (extended, bit 3). Source: Intel VT-d specification, 11.4.2 and 11.4.3.
Entries iommu_class(const Model& model) {
  Entries out;
  if (!model.iommu.enabled) return out;
  const bool intel = model.iommu.table == "DMAR";
  const auto bits = static_cast<std::uint64_t>(model.iommu.address_bits - 1);
  const std::string cap = fmt::format("{:x}\n", 0x8d2'078c'0000'0406ULL | (bits << 16U));
  const std::string ecap = fmt::format("{:x}\n", 0xf050d2ULL | (model.iommu.interrupt_remapping ? 8U : 0U));
  out.emplace_back(intel ? "dmar0" : "ivhd0", Node::directory([=] {
                     Entries unit;
                     unit.emplace_back(intel ? "intel-iommu" : "amd-iommu", Node::directory([=] {
                                         Entries registers;
                                         registers.emplace_back("cap", Node::file(cap));
                                         registers.emplace_back(intel ? "ecap" : "features", Node::file(ecap));
                                         return registers;
                                       }));
                     return unit;
                   }));
  return out;
}

// Bridges of active libvirt networks, and whatever has a route without being a card.
std::set<std::string> bridges(const Model& model) {
  std::set<std::string> names;
  for (const Network& network : model.networks) {
    if (network.active && !network.bridge.empty()) names.insert(network.bridge);
  }
  for (const Route& route : model.routes) {
    const bool is_card = std::any_of(model.devices.begin(), model.devices.end(), [&](const Device& device) {
      return std::find(device.net.begin(), device.net.end(), route.interface) != device.net.end();
    });
    if (!is_card) names.insert(route.interface);
  }
  return names;
}

Entries network_interfaces(const Model& model) {
  Entries out;
  for (const Device& device : model.devices) {
    if (device.driver.empty() || device.driver == "vfio-pci") continue;
    for (const std::string& name : device.net) {
      const std::string target =
          fmt::format("../../devices/{}/{}/net/{}", devices_root(model, device), device.address.to_string(), name);
      out.emplace_back(name, Node::link(target));
    }
  }
  for (const std::string& name : bridges(model)) {
    out.emplace_back(name, Node::directory([] { return empty_directories({"bridge", "brif"}); }));
  }
  return out;
}

// Links to where the disks hang: below a USB controller there are a bus, a port and a SCSI host in between.
Entries block_class(const Model& model) {
  Entries out;
  for (const Device& device : model.devices) {
    if (device.driver.empty() || device.driver == "vfio-pci") continue;
    const bool is_usb = device.class_code >> 8U == 0x0c03;
    const char* const between = is_usb ? "/usb1/1-1/1-1:1.0/host0/target0:0:0/0:0:0:0" : "";
    for (const std::string& name : device.block) {
      out.emplace_back(name, Node::link(fmt::format("../../devices/{}/{}{}/block/{}", devices_root(model, device),
                                                    device.address.to_string(), between, name)));
    }
  }
  return out;
}

Entries class_entries(const Model& model) {
  Entries out;
  out.emplace_back("block", Node::directory([&model] { return block_class(model); }));
  out.emplace_back("iommu", Node::directory([&model] { return iommu_class(model); }));
  out.emplace_back("net", Node::directory([&model] { return network_interfaces(model); }));
  return out;
}

Entries block_entries(const Model& model) {
  Entries out;
  for (const Device& device : model.devices) {
    if (device.driver.empty() || device.driver == "vfio-pci") continue;
    const std::string target = "../../devices/" + devices_root(model, device) + "/" + device.address.to_string();
    for (const std::string& name : device.block) {
      out.emplace_back(name, Node::directory([target] {
                         Entries disk;
                         disk.emplace_back("device", Node::link(target));
                         return disk;
                       }));
    }
  }
  return out;
}

Entries modules(const Model& model) {
  std::set<std::string> names(model.modules_loaded.begin(), model.modules_loaded.end());
  names.insert(model.modules_builtin.begin(), model.modules_builtin.end());
  Entries out;
  for (const std::string& name : names) {
    const auto parameters = [&model, name] {
      Entries entries;
      if (name == "vfio_iommu_type1") {
        entries.emplace_back("allow_unsafe_interrupts", Node::file(model.iommu.allow_unsafe_interrupts ? "Y\n" : "N\n")
                                                            .writable(Attribute::unsafe_interrupts));
      }
      if (name == "vfio_pci") entries.emplace_back("disable_idle_d3", Node::file("N\n").writable(Attribute::harmless));
      return entries;
    };
    out.emplace_back(name, Node::directory([parameters] {
                       Entries inner;
                       inner.emplace_back("parameters", Node::directory(parameters));
                       return inner;
                     }));
  }
  return out;
}

Entries sys_devices(const Model& model) {
  Entries out;
  for (const Device& device : model.devices) {
    if (device.behind) continue;  // it stands below its bridge
    const std::string top = devices_root(model, device);
    if (std::any_of(out.begin(), out.end(), [&](const auto& entry) { return entry.first == top; })) continue;
    out.emplace_back(top, Node::directory([&model, top] {
                       Entries functions;
                       for (const Device& each : model.devices) {
                         if (each.behind || devices_root(model, each) != top) continue;
                         functions.emplace_back(each.address.to_string(),
                                                Node::directory([&model, &each] { return device_entries(model, each); }));
                       }
                       return functions;
                     }));
  }
  out.emplace_back("system", Node::directory([&model] {
                     Entries system;
                     system.emplace_back("node", Node::directory([&model] { return numa_entries(model); }));
                     return system;
                   }));
  return out;
}

Entries acpi_tables(const Model& model) {
  Entries out;
  for (const char* name : {"APIC", "FACP", "SRAT"}) out.emplace_back(name, Node::file(name));
  if (model.iommu.table != "none") out.emplace_back(model.iommu.table, Node::file(model.iommu.table));
  return out;
}

}  // namespace

Entries sys_entries(const Model& model) {
  Entries out;
  out.emplace_back("bus", nested({"pci"}, 0, Node::directory([&model] { return bus_entries(model); })));
  out.emplace_back("devices", Node::directory([&model] { return sys_devices(model); }));
  out.emplace_back("kernel", nested({"iommu_groups"}, 0, Node::directory([&model] { return iommu_groups(model); })));
  out.emplace_back("class", Node::directory([&model] { return class_entries(model); }));
  out.emplace_back("block", Node::directory([&model] { return block_entries(model); }));
  out.emplace_back("module", Node::directory([&model] { return modules(model); }));
  out.emplace_back("firmware",
                   nested({"acpi", "tables"}, 0, Node::directory([&model] { return acpi_tables(model); })));
  return out;
}

}  // namespace gpuplan::sim
