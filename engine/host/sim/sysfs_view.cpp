#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "host/sim/model_yaml.h"
#include "host/sim/view.h"

namespace gpuplan::sim {
namespace {

Node link_to_device(const Model& model, const Device& device) {
  return Node::link("../../../devices/" + devices_root(model, device) + "/" + device.address.to_string());
}

Node bus_devices(const Model& model) {
  return Node::directory([&model] {
           Entries out;
           for (const Device& device : model.devices) out.emplace_back(device.address.to_string(), link_to_device(model, device));
           return out;
         })
      .finding([&model](const std::string& name) -> std::optional<Node> {
        const Device* device = model.device_named(name);
        if (device == nullptr) return std::nullopt;
        return link_to_device(model, *device);
      });
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
  out.emplace_back("devices", bus_devices(model));
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
Entries intel_registers(const Model& model) {
  const auto bits = static_cast<std::uint64_t>(model.iommu.address_bits - 1);
  return {{"cap", Node::file(fmt::format("{:x}\n", 0x8d2'078c'0000'0406ULL | (bits << 16U)))},
          {"ecap", Node::file(fmt::format("{:x}\n", 0xf050d2ULL | (model.iommu.interrupt_remapping ? 8U : 0U)))}};
}

// As a kernel 6.1 shows them: two feature registers, and in the one behind the colon the levels of page tables (HATS, bits
// 11:10: 4 levels are 48 bits, 5 are 57, 6 are 64). Source: AMD I/O Virtualization Technology specification.
Entries amd_registers(const Model& model) {
  const std::uint64_t levels_beyond_4 = model.iommu.address_bits <= 48 ? 0 : model.iommu.address_bits <= 57 ? 1 : 2;
  return {{"cap", Node::file("1f03000f\n")}, {"features", Node::file(fmt::format("0:{:x}\n", 0x21d3ULL | (levels_beyond_4 << 10U)))}};
}

Entries iommu_class(const Model& model) {
  if (!model.iommu.enabled) return {};
  const bool intel = model.iommu.table == "DMAR";
  return {{intel ? "dmar0" : "ivhd0", Node::directory([=] {
             return Entries{{intel ? "intel-iommu" : "amd-iommu",
                             Node::directory([=] { return intel ? intel_registers(model) : amd_registers(model); })}};
           })}};
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

bool stands_in(const Model& model, const Device& device, const std::string& top) {
  return !device.behind && devices_root(model, device) == top;  // otherwise it stands below its bridge
}

// The functions of one root bus: "pci0000:00".
Node root_bus(const Model& model, const std::string& top) {
  return Node::directory([&model, top] {
           Entries functions;
           for (const Device& each : model.devices) {
             if (stands_in(model, each, top)) functions.emplace_back(each.address.to_string(), device_directory(model, each));
           }
           return functions;
         })
      .finding([&model, top](const std::string& name) -> std::optional<Node> {
        const Device* device = model.device_named(name);
        if (device == nullptr || !stands_in(model, *device, top)) return std::nullopt;
        return device_directory(model, *device);
      });
}

Node system_devices(const Model& model) {
  return Node::directory([&model] {
    Entries system;
    system.emplace_back("node", Node::directory([&model] { return numa_entries(model); }));
    return system;
  });
}

Node sys_devices(const Model& model) {
  return Node::directory([&model] {
           std::set<std::string> tops;
           for (const Device& device : model.devices) {
             if (!device.behind) tops.insert(devices_root(model, device));
           }
           Entries out;
           for (const std::string& top : tops) out.emplace_back(top, root_bus(model, top));
           out.emplace_back("system", system_devices(model));
           return out;
         })
      .finding([&model](const std::string& name) -> std::optional<Node> {
        if (name == "system") return system_devices(model);
        const bool there = std::any_of(model.devices.begin(), model.devices.end(),
                                       [&](const Device& device) { return stands_in(model, device, name); });
        if (!there) return std::nullopt;
        return root_bus(model, name);
      });
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
  out.emplace_back("devices", sys_devices(model));
  out.emplace_back("kernel", nested({"iommu_groups"}, 0, Node::directory([&model] { return iommu_groups(model); })));
  out.emplace_back("class", Node::directory([&model] { return class_entries(model); }));
  out.emplace_back("block", Node::directory([&model] { return block_entries(model); }));
  out.emplace_back("module", Node::directory([&model] { return modules(model); }));
  out.emplace_back("firmware",
                   nested({"acpi", "tables"}, 0, Node::directory([&model] { return acpi_tables(model); })));
  return out;
}

}  // namespace gpuplan::sim
