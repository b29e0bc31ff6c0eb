// What nvidia-smi says of GPUs on NVIDIA's driver, and what it sets. Reading is thread-safe if the host is.
// Source: nvidia-smi(1).
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "host/pci/pci.h"
#include "host/ports.h"
#include "spec/bdf.h"

namespace gpuplan {

// The program that asks the driver. Each look opens the GPU for a moment.
inline constexpr const char* driver_tool = "nvidia-smi";

// True if the driver that it asks has the function. Pure.
bool has_driver_tool(const PciFunction& function);
// True of a process that has a GPU open only to look at it. Pure.
bool only_looks(const DeviceHolder& holder);

// One GPU of `nvidia-smi -q`.
struct GpuDescription {
  std::optional<Bdf> address;
  std::optional<std::int64_t> module;  // Fabric Manager's physical id; nothing if it does not say
  std::string persistence;             // "Enabled", "Disabled"; empty if it does not say
  std::string mig;                     // "Enabled", "Disabled", "N/A": the mode that the GPU is in; empty likewise
  std::string fabric;                  // one of fabric_states; empty without NVSwitches, and before Hopper
};

// How far the registration of a GPU with its NVSwitches is. Source: NVML, NVML_GPU_FABRIC_STATE_*.
inline constexpr std::array<const char*, 3> fabric_states{"Not Started", "In Progress", "Completed"};

// Every GPU that the driver has; empty if it does not answer. Throws HostError::timed_out.
std::vector<GpuDescription> describe_gpus(HostReader& host);
// This one alone: looking at the others could get in the way of whoever is unbinding them. Without anything if the
// driver does not answer. Throws HostError::timed_out.
GpuDescription describe_gpu(HostReader& host, const Bdf& gpu);
std::string description_source(const Bdf& gpu);  // "nvidia-smi -i 0000:0a:00.0 -q"
std::string how_to_end_mig(const Bdf& gpu);      // after "end what uses its instances, then "

// True if the driver has the function and says that it keeps it initialized ("persistence mode"). False if the
// program is not installed or does not say. Throws HostError::timed_out.
bool persistence_is_on(const PciFunction& function, HostReader& host);
// What sets that; nothing for a function that another driver has. Pure.
std::optional<Command> persistence_command(const PciFunction& function, bool on);

}  // namespace gpuplan
