// What the kernel does when the files of the PCI bus are written.
// Source: Linux drivers/base/{bus,dd,driver}.c, drivers/pci/pci-driver.c, drivers/vfio/pci/;
// NVIDIA open-gpu-kernel-modules kernel-open/nvidia/nv-procfs.c.
#pragma once

#include <string>

#include "host/sim/model.h"

namespace gpuplan::sim {

// How a write ended: with an errno value (0: it worked), or never.
struct WriteResult {
  int error = 0;
  bool hangs = false;
};

WriteResult write_driver_override(Model& model, Device& device, const std::string& text);
WriteResult write_bind(Model& model, const std::string& driver, const std::string& text);
WriteResult write_unbind(Model& model, const std::string& driver, const std::string& text);
WriteResult write_drivers_probe(Model& model, const std::string& text);
WriteResult write_new_id(Model& model, const std::string& driver, const std::string& text);
WriteResult write_remove_id(Model& model, const std::string& driver, const std::string& text);
WriteResult write_sriov_numvfs(Device& device, const std::string& text);
WriteResult write_power_control(Device& device, const std::string& text);
WriteResult write_unbind_lock(const Model& model, Device& device, const std::string& text);

// A driver has been registered: it takes every unbound function that it matches.
void attach_all(Model& model, const std::string& driver);
// A driver is being unregistered: it lets go of everything. Hangs like unbind.
WriteResult detach_all(Model& model, const std::string& driver);

}  // namespace gpuplan::sim
