// Which GPUs are NVIDIA's, what their driver shows of them, and what it asks of whoever takes them away. Read-only;
// thread-safe if the host is.
// Source: the driver's README, "The /proc Interface", and kernel-open/nvidia/nv-procfs.c of open-gpu-kernel-modules.
#pragma once

#include <array>
#include <optional>
#include <string>

#include "host/pci/pci.h"
#include "host/ports.h"
#include "spec/bdf.h"

namespace gpuplan {

// True of a GPU that is taken where nobody says which: what a server's management controller shows is a display
// controller as well. Pure.
bool is_usual_gpu(const PciFunction& function);
// The driver of such a GPU on a host that uses it; empty for others. Pure.
std::string usual_driver(const PciFunction& function);

// The kernel modules of these GPUs' drivers, that of others for them included.
inline constexpr std::array<const char*, 5> driver_modules = {"nvidia", "nvidia_uvm", "nvidia_modeset", "nvidia_drm",
                                                              "nouveau"};

// What its driver calls the GPU, "NVIDIA H100 80GB HBM3"; empty if it does not say. Throws HostError::timed_out.
std::string driver_model(FileReader& files, const PciFunction& function);

// The file that keeps a function's driver from opening it again, once it reads as 1: without that the unbind waits for
// clients for ever. Nothing for drivers that have no such file; not every build of one that does offers it. Pure.
std::optional<std::string> unbind_lock(const PciFunction& function);
// Why that lock may be refused although no process has the GPU open, and what to do. Pure.
std::string why_unbind_lock_is_refused(const Bdf& gpu);

// What only its driver can tell of a GPU.
struct DriverState {
  std::optional<int> minor;  // the number of its device file
  bool is_locked = false;    // by unbind_lock
  bool persistence = false;
  bool mig = false;
  std::string fabric;        // see GpuDescription
};
// Nothing for drivers that tell none of it. Throws HostError::timed_out.
std::optional<DriverState> read_driver_state(HostReader& host, const PciFunction& function);

}  // namespace gpuplan
