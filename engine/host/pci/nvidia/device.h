// What of a PCI function and its device files is NVIDIA's: for the readers of host/pci. Others ask driver.h.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "host/pci/device_files.h"
#include "host/pci/pci.h"

namespace gpuplan {

// True of an NVSwitch, by its vendor and its class of 24 bits. Pure.
bool is_nvswitch(const PciId& id, std::uint32_t class_code);
// Adds the device file of a GPU on NVIDIA's driver, from "Device Minor" in /proc/driver/nvidia/gpus/BDF/information. If
// that does not tell, every GPU's file counts, and `unreadable` says so. Throws HostError::timed_out.
void add_driver_files(FileReader& files, const PciFunction& function, DeviceFiles& found,
                      std::vector<std::string>& unreadable);

}  // namespace gpuplan
