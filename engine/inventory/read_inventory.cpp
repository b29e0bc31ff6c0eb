#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "host/interrupt.h"
#include "host/pci/nvidia/driver.h"
#include "host/xml/domain_xml.h"
#include "inventory/inventory.h"
#include "inventory/read_machine.h"
#include "report/diagnostic.h"

namespace gpuplan {
namespace {

constexpr const char* devices_path = "/sys/bus/pci/devices";

template <class Number = std::uint16_t>
Number read_hex(FileReader& files, const std::string& path) {
  std::string text = read_trimmed(files, path).value_or("");
  if (text.rfind("0x", 0) == 0) text.erase(0, 2);
  Number number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number, 16);
  return number;
}

// What sysfs tells of a function without asking its driver.
void read_identity(FileReader& files, PciFunction& function) {
  const std::string directory = sysfs_device(function.address);
  try {
    function.id = {read_hex(files, directory + "/vendor"), read_hex(files, directory + "/device")};
    function.class_code = read_hex<std::uint32_t>(files, directory + "/class") & 0xFFFFFFU;
  } catch (const HostError& error) {
    if (error.kind() != HostError::Kind::timed_out) throw;
  }
}

// One function alone: one that hangs must not hide the others.
InventoryFunction read_one(FileReader& files, const Bdf& address, PciNames& names, Inventory& inventory) {
  InventoryFunction item;
  item.function.address = address;
  try {
    if (const auto function = read_pci_function(files, address)) item.function = *function;
    item.function.driver = printable(item.function.driver);
    const std::string directory = sysfs_device(address);
    item.subsystem = {read_hex(files, directory + "/subsystem_vendor"),
                      read_hex(files, directory + "/subsystem_device")};
    item.path = read_pci_path(files, address);
    item.off_the_bus = item.function.is_gpu() && is_off_the_bus(files, address);
    item.driver_model = driver_model(files, item.function);
  } catch (const HostError& error) {
    if (error.kind() != HostError::Kind::timed_out) throw;
    item.hangs = true;
    read_identity(files, item.function);
    inventory.unread.push_back(fmt::format("{} does not answer: {}", address.to_string(), error.what()));
  }
  item.vendor_name = names.vendor(item.function.id);
  item.device_name = names.device(item.function.id);
  return item;
}

void read_functions(FileReader& files, PciNames& names, Inventory& inventory) {
  std::vector<Bdf> addresses;
  for (const std::string& name : files.list(devices_path)) {
    if (const auto address = parse_bdf(name)) addresses.push_back(*address);
  }
  std::sort(addresses.begin(), addresses.end());
  for (const Bdf& address : addresses) {
    if (Interrupt::requested()) throw Interrupted();
    inventory.functions.push_back(read_one(files, address, names, inventory));
  }
  auto interfaces = read_class_devices(files, "net");
  auto disks = read_class_devices(files, "block");
  for (InventoryFunction& item : inventory.functions) {
    for (std::string& name : interfaces[item.function.address]) item.interfaces.push_back(printable(name));
    for (std::string& name : disks[item.function.address]) item.disks.push_back(printable(name));
  }
}

bool is_in_slot_of_gpu(const Inventory& inventory, const InventoryFunction& item) {
  return !item.function.is_bridge() &&
         std::any_of(inventory.functions.begin(), inventory.functions.end(), [&](const InventoryFunction& other) {
           return other.function.is_gpu() && other.function.address.same_slot(item.function.address);
         });
}

void read_users(FileReader& files, Inventory& inventory) {
  std::string unknown, reason;
  for (InventoryFunction& item : inventory.functions) {
    if (item.hangs || !is_in_slot_of_gpu(inventory, item)) continue;
    if (Interrupt::requested()) throw Interrupted();
    std::vector<std::string> unreadable;
    try {
      item.holders = read_holders(files, item.function, unreadable);
    } catch (const HostError& error) {
      if (error.kind() != HostError::Kind::timed_out) throw;
      unreadable.emplace_back(error.what());
    }
    if (unreadable.empty()) continue;
    unknown += (unknown.empty() ? "" : ", ") + item.function.address.to_string();
    if (reason.empty()) reason = unreadable.front();
  }
  // One sentence, and not one for each of sixteen functions.
  if (!unknown.empty()) inventory.unread.push_back(fmt::format("who uses {} is not fully known: {}", unknown, reason));
}

void read_domains(HostReader& host, Inventory& inventory) {
  try {
    inventory.domains = host.hypervisor().domains();
    inventory.libvirt_answers = true;
  } catch (const HostError& error) {
    inventory.unread.push_back(fmt::format("which VMs there are is unknown: {}", error.what()));
    return;
  }
  for (const DomainState& state : inventory.domains) {
    const auto definition = parse_domain(state.xml);
    if (!definition) continue;
    for (InventoryFunction& item : inventory.functions) {
      const auto& devices = definition->devices;
      if (std::find(devices.begin(), devices.end(), item.function.address) == devices.end()) continue;
      item.domains.push_back({printable(state.name), state.power == PowerState::running, definition->owner.cluster});
    }
  }
}

void read_fabric(HostReader& host, Inventory& inventory) {
  inventory.fabric_is_shared = shares_fabric(host.files());
  const bool has_switches = std::any_of(inventory.functions.begin(), inventory.functions.end(),
                                        [](const InventoryFunction& item) { return item.function.is_nvswitch(); });
  if (!inventory.fabric_is_shared && !has_switches) return;
  try {
    if (inventory.fabric_is_shared) inventory.partitions = read_fabric_partitions(host);
    for (InventoryFunction& item : inventory.functions) {
      if (!item.hangs && item.function.is_gpu()) item.module = read_gpu_module(host, item.function.address);
    }
  } catch (const HostError& error) {
    inventory.unread.push_back(fmt::format("Fabric Manager's view of the GPUs is unknown: {}", error.what()));
  }
  if (inventory.fabric_is_shared && inventory.partitions.empty()) {
    inventory.unread.emplace_back("which NVSwitch partitions there are is unknown: `fmpm -l` does not answer");
  }
}

}  // namespace

std::string InventoryFunction::name() const {
  if (!device_name.empty()) return device_name;
  return driver_model.empty() ? class_name(function) : driver_model;
}

const InventoryFunction* Inventory::find(const Bdf& address) const {
  const auto found = std::lower_bound(functions.begin(), functions.end(), address,
                                      [](const InventoryFunction& item, const Bdf& wanted) {
                                        return item.function.address < wanted;
                                      });
  return found == functions.end() || found->function.address != address ? nullptr : &*found;
}

std::vector<const InventoryFunction*> Inventory::group(int number) const {
  std::vector<const InventoryFunction*> members;
  for (const InventoryFunction& item : functions) {
    if (item.function.iommu_group == number) members.push_back(&item);
  }
  return members;
}

std::map<int, std::vector<const InventoryFunction*>> Inventory::groups() const {
  std::map<int, std::vector<const InventoryFunction*>> all;
  for (const InventoryFunction& item : functions) {
    if (item.function.iommu_group) all[*item.function.iommu_group].push_back(&item);
  }
  return all;
}

Inventory read_inventory(HostReader& host, PciNames& names) {
  Inventory inventory;
  read_machine(host, inventory);
  read_functions(host.files(), names, inventory);
  read_users(host.files(), inventory);
  read_domains(host, inventory);
  read_fabric(host, inventory);
  return inventory;
}

}  // namespace gpuplan
