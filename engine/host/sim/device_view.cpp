// One PCI function as a directory of sysfs.
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

// The way up from a function's directory to /sys: a link in it begins so.
std::string up_to_sys(const Model& model, const Device& device) {
  std::string up = "../../../";
  for (const Device* bridge = bridge_above(model, device); bridge != nullptr; bridge = bridge_above(model, *bridge)) {
    up += "../";
  }
  return up;
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

// A device of vfio-pci that nobody has open, if it may. What other drivers do is not known here.
bool sleeps(const Model& model, const Device& device) {
  return device.driver == "vfio-pci" && device.may_sleep && domain_using(model, device.address) == nullptr;
}

Entries device_entries(const Model& model, const Device& device) {
  const std::string bdf = device.address.to_string();
  Entries out;
  // Texts are made only when they are read: most look-ups pass by all but one.
  const auto file = [&](const char* name, std::function<std::string()> text) { out.emplace_back(name, Node::file(std::move(text))); };
  file("vendor", [&device] { return hex(device.id.vendor, 4); });
  file("device", [&device] { return hex(device.id.device, 4); });
  file("class", [&device] { return format_class(device.class_code) + "\n"; });
  file("revision", [&device] { return hex(device.revision, 2); });
  file("subsystem_vendor", [&device] { return hex(device.subsystem.vendor, 4); });
  file("subsystem_device", [&device] { return hex(device.subsystem.device, 4); });
  file("numa_node", [&device] { return fmt::format("{}\n", device.numa_node); });
  file("local_cpulist", [&model, &device] { return local_cpus(model, device) + "\n"; });
  file("modalias", [&device] { return modalias(device); });
  file("enable", [&device] { return device.driver.empty() || device.driver == "vfio-pci" ? "0\n" : "1\n"; });
  file("power_state", [&model, &device] { return sleeps(model, device) ? "D3hot\n" : "D0\n"; });
  out.emplace_back("d3cold_allowed", Node::file("1\n").writable(Attribute::harmless, bdf));
  out.emplace_back("resource", Node::file([&model, &device] { return resource_table(model, device); }));
  if (!device.reset_methods.empty()) {
    std::string methods;
    for (const std::string& method : device.reset_methods) methods += (methods.empty() ? "" : " ") + method;
    out.emplace_back("reset_method", Node::file(methods + "\n").writable(Attribute::harmless, bdf));
    out.emplace_back("reset", Node::file("").writable(Attribute::harmless, bdf));
  }
  if (device.boot_vga) file("boot_vga", [&device] { return *device.boot_vga ? "1\n" : "0\n"; });
  if (device.is_gpu() || device.virtual_functions > 0) {
    const std::string count = fmt::format("{}\n", device.virtual_functions);
    out.emplace_back("sriov_numvfs", Node::file(count).writable(Attribute::sriov_numvfs, bdf));
  }
  out.emplace_back("power", Node::directory([&device, bdf] {
                     Entries power;
                     const char* control = device.may_sleep ? "auto\n" : "on\n";
                     power.emplace_back("control", Node::file(control).writable(Attribute::power_control, bdf));
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
    out.emplace_back(below.address.to_string(), device_directory(model, below));
  }
  return out;
}

}  // namespace

std::string devices_root(const Model& model, const Device& device) {
  if (const Device* bridge = bridge_above(model, device)) {
    return devices_root(model, *bridge) + "/" + bridge->address.to_string();
  }
  return fmt::format("pci{:04x}:{:02x}", device.address.domain, device.address.bus);
}

Node device_directory(const Model& model, const Device& device) {
  return Node::directory([&model, &device] { return device_entries(model, device); });
}

}  // namespace gpuplan::sim
