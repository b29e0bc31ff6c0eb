// The parts of a recorded model; each fills its own.
#pragma once

#include "host/sim/model.h"
#include "inventory/inventory.h"

namespace gpuplan {

// System, processors, IOMMU, memory, kernel parameters.
void record_machine(HostReader& host, const Inventory& inventory, sim::Model& model);
// The PCI functions and the modules of their drivers.
void record_devices(HostReader& host, const Inventory& inventory, sim::Model& model);
// Packages, services, processes that hold devices, Fabric Manager. After the devices.
void record_programs(HostReader& host, const Inventory& inventory, sim::Model& model);
// What decides about the next boot: bindings that last, GRUB's parameters. After the programs.
void record_boot(HostReader& host, const Inventory& inventory, sim::Model& model);
// VMs, networks, storage pools.
void record_libvirt(HostReader& host, const Inventory& inventory, sim::Model& model);
// Routes and the mounts of recorded disks. After the devices.
void record_network_and_mounts(HostReader& host, const Inventory& inventory, sim::Model& model);

// The names of all network interfaces, by what they are on the host: "enx0123456789ab", which is made of a MAC
// address, becomes "usb-net1".
std::map<std::string, std::string> public_interface_names(const Inventory& inventory);
// A systemd unit, if there is one of this name.
void record_service(HostReader& host, const std::string& unit, sim::Model& model);
// A UUID that says nothing: made of a word.
std::string uuid_of_word(const std::string& word);
// The parameters of a kernel command line that bear on passthrough; those may name disks and addresses not at all.
std::string public_kernel_parameters(const std::string& command_line);

}  // namespace gpuplan
