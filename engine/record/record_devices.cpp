#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <sstream>

#include "host/interrupt.h"
#include "host/pci/nvidia/driver.h"
#include "host/query_output.h"
#include "inventory/read_machine.h"
#include "record/record_parts.h"
#include "report/diagnostic.h"

namespace gpuplan {
namespace {

std::vector<sim::Bar> bars_of(const PciFunction& function) {
  std::vector<sim::Bar> bars;
  for (const PciBar& bar : function.bars) {
    if (bar.size > 0) bars.push_back({bar.index, bar.size, bar.is_64_bit, bar.is_prefetchable, bar.base != 0});
  }
  return bars;
}

std::vector<std::string> sound_nodes(FileReader& files, const Bdf& address) {
  const std::string directory = sysfs_device(address) + "/sound";
  std::vector<std::string> nodes;
  for (const std::string& card : list_or_none(files, directory)) {
    for (const std::string& name : list_or_none(files, directory + "/" + card)) {
      for (const char* kind : {"controlC", "pcmC", "hwC", "midiC"}) {
        if (name.rfind(kind, 0) == 0) nodes.push_back(printable(name));
      }
    }
  }
  return nodes;
}

// What only its driver can tell of a GPU.
void ask_driver(HostReader& host, const InventoryFunction& item, sim::Device& device) {
  const auto state = read_driver_state(host, item.function);
  if (!state) return;
  device.minor = std::clamp(state->minor.value_or(-1), -1, 255);
  device.unbind_lock = state->is_locked;
  device.model = item.driver_model;
  device.persistence = state->persistence;
  device.mig = state->mig;
  device.fabric = state->fabric;
}

// The driver that would take the function if nothing were overridden: the one it has, that of a sibling, or for
// what vfio-pci has, the usual one. A guess only for what is away from it.
std::string default_driver_of(const InventoryFunction& item, const Inventory& inventory) {
  const auto is_hosts = [](const std::string& driver) {
    return !driver.empty() && driver != "vfio-pci" && driver != "pci-stub";
  };
  const PciFunction& function = item.function;
  if (is_hosts(function.driver) && function.driver_override.empty()) return function.driver;
  if (function.driver.empty() && function.driver_override.empty()) return {};
  for (const InventoryFunction& other : inventory.functions) {
    if (other.function.id == function.id && is_hosts(other.function.driver)) return other.function.driver;
  }
  if (const std::string usual = usual_driver(function); !usual.empty()) return usual;
  return function.class_code >> 8U == 0x0403 ? "snd_hda_intel" : "";
}

// The lowest bridge above a function that a model can have: one on a lower bus of the same domain.
std::optional<Bdf> bridge_of(const InventoryFunction& item, const Inventory& inventory) {
  if (item.path.bridges.empty()) return std::nullopt;
  const InventoryFunction* bridge = inventory.find(item.path.bridges.back());
  if (bridge == nullptr || !bridge->function.is_bridge()) return std::nullopt;
  const Bdf& above = bridge->function.address;
  const Bdf& below = item.function.address;
  return above.domain == below.domain && above.bus < below.bus ? std::optional<Bdf>(above) : std::nullopt;
}

sim::Device device_of(HostReader& host, const InventoryFunction& item, const Inventory& inventory) {
  const PciFunction& function = item.function;
  sim::Device device;
  device.address = function.address;
  device.id = function.id;
  device.behind = bridge_of(item, inventory);
  device.subsystem = item.subsystem;
  device.class_code = function.class_code;
  device.revision = function.revision;
  device.numa_node = std::clamp(function.numa_node, -1, 63);
  if (function.iommu_group && *function.iommu_group <= 65535) device.iommu_group = function.iommu_group;
  device.driver = function.driver;
  device.default_driver = default_driver_of(item, inventory);
  device.driver_override = printable(function.driver_override);
  device.bars = bars_of(function);
  for (const std::string& method : function.reset_methods) device.reset_methods.push_back(printable(method));
  // Of VGA controllers alone the kernel says it.
  if (function.class_code >> 8U == 0x0300) device.boot_vga = function.boot_display;
  device.virtual_functions = std::min(function.virtual_functions, 256);
  device.block = item.disks;
  device.stuck = item.hangs;
  if (item.module && *item.module >= 1 && *item.module <= 64) device.module_id = static_cast<int>(*item.module);
  if (item.hangs) return device;
  device.sound = sound_nodes(host.files(), device.address);
  ask_driver(host, item, device);
  return device;
}

bool is_in_kernel(FileReader& files, const std::string& module) {
  return files.kind("/sys/module/" + module) != FileKind::none;
}

bool can_be_loaded(HostReader& host, const std::string& module) {
  return !query_output(host, {"modinfo", "-n", module}).empty();
}

void record_modules(HostReader& host, sim::Model& model) {
  std::set<std::string> loaded;
  std::istringstream lines(read_trimmed(host.files(), "/proc/modules").value_or(""));
  for (std::string line; std::getline(lines, line);) loaded.insert(line.substr(0, line.find(' ')));
  // What the drivers of the functions and passthrough stand on; the others are nobody's business.
  std::set<std::string> names = {"vfio",      "vfio_iommu_type1", "vfio_pci", "vfio_pci_core", "kvm",
                                 "kvm_intel", "kvm_amd",          "irqbypass", "iommufd"};
  names.insert(driver_modules.begin(), driver_modules.end());
  std::set<std::string> bound;
  for (const sim::Device& device : model.devices) {
    if (!device.driver.empty()) bound.insert(sim::module_of_driver(device.driver));
    if (!device.default_driver.empty()) names.insert(sim::module_of_driver(device.default_driver));
  }
  names.insert(bound.begin(), bound.end());
  for (const std::string& name : names) {
    if (loaded.count(name) > 0) model.modules_loaded.push_back(name);
    else if (bound.count(name) > 0 || is_in_kernel(host.files(), name)) model.modules_builtin.push_back(name);
    else if (can_be_loaded(host, name)) model.modules_available.push_back(name);
  }
}

}  // namespace

std::map<std::string, std::string> public_interface_names(const Inventory& inventory) {
  std::map<std::string, std::string> names;
  for (const InventoryFunction& item : inventory.functions) {
    for (const std::string& name : item.interfaces) {
      const bool has_mac = name.size() == 15 && name.find_first_not_of("0123456789abcdef", 3) == std::string::npos;
      names[name] = has_mac ? fmt::format("usb-net{}", names.size() + 1) : name;
    }
  }
  return names;
}

void record_devices(HostReader& host, const Inventory& inventory, sim::Model& model) {
  const auto interfaces = public_interface_names(inventory);
  bool has_lock = false;
  bool could_have_lock = false;
  for (const InventoryFunction& item : inventory.functions) {
    if (Interrupt::requested()) throw Interrupted();
    model.devices.push_back(device_of(host, item, inventory));
    for (const std::string& name : item.interfaces) model.devices.back().net.push_back(interfaces.at(name));
    const std::string note = gpu_module_path(item.function.address);
    if (const auto module = read_trimmed(host.files(), note)) model.files[note].content = printable(*module) + "\n";
    const auto lock = unbind_lock(item.function);
    if (item.hangs || !lock || !item.function.is_gpu()) continue;
    could_have_lock = true;
    has_lock = has_lock || host.files().kind(*lock) != FileKind::none;
  }
  model.unbind_lock_offered = has_lock || !could_have_lock;
  record_modules(host, model);
}

}  // namespace gpuplan
