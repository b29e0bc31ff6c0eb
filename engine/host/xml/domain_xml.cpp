#include "host/xml/domain_xml.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "host/xml/owner_xml.h"

namespace gpuplan {
namespace {

using xml::add;
using xml::add_text;
using xml::set;

// Buses of the root ports on pcie.0. GPUs come after the guest's own devices, whose number is fixed but for disks.
constexpr int bus_of_network = 1;
constexpr int bus_of_serial = 2;
constexpr int bus_of_first_disk = 3;
constexpr int least_gpu_bus = 5;
constexpr int first_port_slot = 2;  // 00:00.0 is the host bridge, 00:01.0 a display, 00:1f the chipset
constexpr int functions_per_slot = 8;
constexpr int most_buses = 200;  // what pcie.0 has room for: 25 slots of 8 ports

constexpr const char* qemu_namespace = "http://libvirt.org/schemas/domain/qemu/1.0";

struct Slot {
  std::vector<Bdf> functions;  // ascending
  int bus = 0;
};

// The passed-through functions by slot, slots in the order in which they first appear.
std::vector<Slot> group_by_slot(const std::vector<Bdf>& devices) {
  std::vector<Slot> slots;
  for (const Bdf& device : devices) {
    const auto found = std::find_if(slots.begin(), slots.end(),
                                    [&](const Slot& slot) { return slot.functions.front().same_slot(device); });
    if (found == slots.end()) {
      slots.push_back({{device}, 0});
    } else {
      found->functions.push_back(device);
    }
  }
  for (Slot& slot : slots) std::sort(slot.functions.begin(), slot.functions.end());
  return slots;
}

int first_gpu_bus(const DomainDefinition& definition) {
  return std::max(least_gpu_bus, bus_of_first_disk + static_cast<int>(definition.disks.size()));
}

// Gives each slot the bus it had, and then the others the lowest free ones.
void place_slots(std::vector<Slot>& slots, const DomainDefinition& definition) {
  const int first = first_gpu_bus(definition);
  std::set<int> taken;
  for (Slot& slot : slots) {
    for (const GuestBus& known : definition.guest_buses) {
      const bool is_usable = known.slot.same_slot(slot.functions.front()) && known.bus >= first && known.bus <= most_buses;
      if (slot.bus == 0 && is_usable && taken.insert(known.bus).second) slot.bus = known.bus;
    }
  }
  int next = first;
  for (Slot& slot : slots) {
    if (slot.bus != 0) continue;
    while (!taken.insert(next).second) ++next;
    slot.bus = next;
  }
}

pugi::xml_node add_pci_address(pugi::xml_node parent, int bus, int slot, int function, bool multifunction) {
  pugi::xml_node address = add(parent, "address");
  set(address, "type", "pci");
  set(address, "domain", "0x0000");
  set(address, "bus", fmt::format("0x{:02x}", bus));
  set(address, "slot", fmt::format("0x{:02x}", slot));
  set(address, "function", fmt::format("0x{:x}", function));
  if (multifunction) set(address, "multifunction", "on");
  return address;
}

void add_root_port(pugi::xml_node devices, int bus, bool shares_slot) {
  const int position = bus - 1;
  const int slot = first_port_slot + position / functions_per_slot;
  const int function = position % functions_per_slot;
  pugi::xml_node port = add(devices, "controller");
  set(port, "type", "pci");
  set(port, "index", fmt::format("{}", bus));
  set(port, "model", "pcie-root-port");
  pugi::xml_node target = add(port, "target");
  set(target, "chassis", fmt::format("{}", bus));
  set(target, "port", fmt::format("0x{:x}", slot * functions_per_slot + function));
  add_pci_address(port, 0, slot, function, function == 0 && shares_slot);
}

void add_memory(pugi::xml_node domain, const DomainDefinition& definition) {
  for (const char* name : {"memory", "currentMemory"}) {
    set(add_text(domain, name, fmt::format("{}", definition.memory_mib)), "unit", "MiB");
  }
  if (definition.hugepages == "none" && !definition.locked_memory) return;
  pugi::xml_node backing = add(domain, "memoryBacking");
  if (definition.hugepages != "none") {
    pugi::xml_node page = add(add(backing, "hugepages"), "page");
    set(page, "size", definition.hugepages == "1G" ? "1" : "2");
    set(page, "unit", definition.hugepages == "1G" ? "GiB" : "MiB");
  }
  if (definition.locked_memory) add(backing, "locked");
}

void add_processors(pugi::xml_node domain, const DomainDefinition& definition) {
  pugi::xml_node vcpu = add_text(domain, "vcpu", fmt::format("{}", definition.cpus));
  set(vcpu, "placement", "static");
  if (!definition.cpu_list.empty()) set(vcpu, "cpuset", definition.cpu_list);
  if (!definition.numa_node) return;
  // Preferred, not strict: locked guest memory that does not fit one node would otherwise kill the guest.
  pugi::xml_node memory = add(add(domain, "numatune"), "memory");
  set(memory, "mode", "preferred");
  set(memory, "nodeset", fmt::format("{}", *definition.numa_node));
}

void add_firmware(pugi::xml_node domain, const DomainDefinition& definition) {
  pugi::xml_node os = add(domain, "os");
  const bool efi = definition.firmware == "efi";
  if (efi) set(os, "firmware", "efi");
  pugi::xml_node type = add_text(os, "type", "hvm");
  set(type, "arch", "x86_64");
  set(type, "machine", "q35");
  if (efi) {
    // A driver that is built in the guest is not signed: secure boot would refuse to load it.
    pugi::xml_node feature = add(add(os, "firmware"), "feature");
    set(feature, "enabled", "no");
    set(feature, "name", "secure-boot");
  }
  set(add(os, "boot"), "dev", "hd");
  pugi::xml_node features = add(domain, "features");
  add(features, "acpi");
  add(features, "apic");
}

void add_cpu(pugi::xml_node domain, const DomainDefinition& definition) {
  pugi::xml_node cpu = add(domain, "cpu");
  if (definition.type == "kvm") {
    set(cpu, "mode", "host-passthrough");
    set(cpu, "check", "none");
    set(cpu, "migratable", "off");
  } else {
    set(cpu, "mode", "maximum");
    set(cpu, "check", "none");
  }
  pugi::xml_node topology = add(cpu, "topology");
  set(topology, "sockets", "1");
  set(topology, "cores", fmt::format("{}", definition.cpus));
  set(topology, "threads", "1");
  if (definition.physical_address_bits) {
    pugi::xml_node bits = add(cpu, "maxphysaddr");
    set(bits, "mode", "emulate");
    set(bits, "bits", fmt::format("{}", *definition.physical_address_bits));
  }
}

void add_disks(pugi::xml_node devices, const DomainDefinition& definition) {
  int bus = bus_of_first_disk;
  for (const DomainDisk& disk : definition.disks) {
    pugi::xml_node node = add(devices, "disk");
    set(node, "type", "file");
    set(node, "device", "disk");
    pugi::xml_node driver = add(node, "driver");
    set(driver, "name", "qemu");
    set(driver, "type", disk.format);
    if (!disk.read_only) set(driver, "discard", "unmap");
    set(add(node, "source"), "file", disk.path);
    pugi::xml_node target = add(node, "target");
    set(target, "dev", disk.target);
    set(target, "bus", "virtio");
    if (disk.read_only) add(node, "readonly");
    add_pci_address(node, bus++, 0, 0, false);
  }
}

void add_interface(pugi::xml_node devices, const DomainDefinition& definition) {
  if (definition.network.empty() && definition.bridge.empty()) return;
  const bool bridged = definition.network.empty();
  pugi::xml_node interface = add(devices, "interface");
  set(interface, "type", bridged ? "bridge" : "network");
  if (!definition.mac.empty()) set(add(interface, "mac"), "address", definition.mac);
  set(add(interface, "source"), bridged ? "bridge" : "network", bridged ? definition.bridge : definition.network);
  set(add(interface, "model"), "type", "virtio");
  add_pci_address(interface, bus_of_network, 0, 0, false);
}

void add_console(pugi::xml_node devices, const DomainDefinition& definition) {
  pugi::xml_node controller = add(devices, "controller");
  set(controller, "type", "virtio-serial");
  set(controller, "index", "0");
  add_pci_address(controller, bus_of_serial, 0, 0, false);

  pugi::xml_node serial = add(devices, "serial");
  set(serial, "type", "pty");
  if (!definition.console_log.empty()) {
    pugi::xml_node log = add(serial, "log");
    set(log, "file", definition.console_log);
    set(log, "append", "on");
  }
  set(add(serial, "target"), "port", "0");
  pugi::xml_node console = add(devices, "console");
  set(console, "type", "pty");
  pugi::xml_node console_target = add(console, "target");
  set(console_target, "type", "serial");
  set(console_target, "port", "0");

  pugi::xml_node channel = add(devices, "channel");
  set(channel, "type", "unix");
  pugi::xml_node target = add(channel, "target");
  set(target, "type", "virtio");
  set(target, "name", "org.qemu.guest_agent.0");
}

void add_passed_through(pugi::xml_node devices, const Slot& slot) {
  // The guest finds a slot's functions only if function 0 is there.
  const bool keeps_numbers = slot.functions.front().function == 0;
  int next = 0;
  for (const Bdf& device : slot.functions) {
    const int function = keeps_numbers ? device.function : next++;
    pugi::xml_node hostdev = add(devices, "hostdev");
    set(hostdev, "mode", "subsystem");
    set(hostdev, "type", "pci");
    set(hostdev, "managed", "no");
    pugi::xml_node source = add(add(hostdev, "source"), "address");
    set(source, "domain", fmt::format("0x{:04x}", device.domain));
    set(source, "bus", fmt::format("0x{:02x}", device.bus));
    set(source, "slot", fmt::format("0x{:02x}", device.device));
    set(source, "function", fmt::format("0x{:x}", device.function));
    set(add(hostdev, "rom"), "bar", "off");
    add_pci_address(hostdev, slot.bus, 0, function, function == 0 && slot.functions.size() > 1);
  }
}

void add_devices(pugi::xml_node domain, const DomainDefinition& definition) {
  std::vector<Slot> slots = group_by_slot(definition.devices);
  place_slots(slots, definition);
  int last_bus = first_gpu_bus(definition) - 1;
  for (const Slot& slot : slots) last_bus = std::max(last_bus, slot.bus);

  pugi::xml_node devices = add(domain, "devices");
  pugi::xml_node root = add(devices, "controller");
  set(root, "type", "pci");
  set(root, "index", "0");
  set(root, "model", "pcie-root");
  for (int bus = 1; bus <= last_bus; ++bus) add_root_port(devices, bus, bus < last_bus);
  pugi::xml_node usb = add(devices, "controller");
  set(usb, "type", "usb");
  set(usb, "model", "none");

  add_disks(devices, definition);
  add_interface(devices, definition);
  add_console(devices, definition);
  for (const Slot& slot : slots) add_passed_through(devices, slot);
  set(add(devices, "memballoon"), "model", "none");
}

void add_mmio_window(pugi::xml_node domain, const DomainDefinition& definition) {
  if (definition.mmio64_window_mib <= 0 || definition.firmware != "efi") return;
  pugi::xml_node command_line = add(domain, "qemu:commandline");
  set(add(command_line, "qemu:arg"), "value", "-fw_cfg");
  set(add(command_line, "qemu:arg"), "value",
      fmt::format("name=opt/ovmf/X-PciMmio64Mb,string={}", definition.mmio64_window_mib));
}

}  // namespace

std::string render_domain(const DomainDefinition& definition) {
  pugi::xml_document document;
  pugi::xml_node domain = document.append_child("domain");
  set(domain, "type", definition.type);
  set(domain, "xmlns:qemu", qemu_namespace);
  add_text(domain, "name", definition.name);
  if (!definition.uuid.empty()) add_text(domain, "uuid", definition.uuid);
  pugi::xml_node mark = xml::add_owner(domain, definition.owner);
  if (mark && !definition.node_address.empty()) set(mark, "address", definition.node_address);
  add_memory(domain, definition);
  add_processors(domain, definition);
  add_firmware(domain, definition);
  add_cpu(domain, definition);
  set(add(domain, "clock"), "offset", "utc");
  add_text(domain, "on_poweroff", "destroy");
  add_text(domain, "on_reboot", "restart");
  add_text(domain, "on_crash", "destroy");
  add_devices(domain, definition);
  add_mmio_window(domain, definition);
  return xml::print(document);
}

}  // namespace gpuplan
