// NVSwitch partitions, as Fabric Manager shows them. Read-only.
// Source: NVIDIA Fabric Manager User Guide, "Shared NVSwitch Virtualization Model"; its tool `fmpm`.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "host/ports.h"
#include "spec/bdf.h"

namespace gpuplan {

// GPUs as Fabric Manager counts them: by physical module id, never by PCI order.
using GpuModules = std::set<std::int64_t>;

// A set of GPUs that Fabric Manager can join by NVLink. CUDA works in a VM only if exactly the VM's GPUs
// are a partition, and that is active.
struct FabricPartition {
  std::int64_t id = 0;
  GpuModules modules;
  bool active = false;
};

inline constexpr const char* fabric_config_path = "/usr/share/nvidia/nvswitch/fabricmanager.cfg";
// Below it a file per GPU that is away from the nvidia driver holds its module id, which only that
// driver can tell. vfio-bind writes and removes them; a reboot does so as well.
inline constexpr const char* gpu_modules_path = "/run/gpuplan/gpu-modules";

// True if Fabric Manager is set to give partitions to VMs (FABRIC_MODE=1).
bool shares_fabric(FileReader& files);
// From `fmpm -l`; empty if it does not answer. Throws HostError::timed_out.
std::vector<FabricPartition> read_fabric_partitions(HostReader& host);
// From the file about it, else from `nvidia-smi -q` of this one GPU: looking at the others could get in
// the way of whoever is unbinding them. Nothing if neither says. Throws HostError::timed_out.
std::optional<std::int64_t> read_gpu_module(HostReader& host, const Bdf& gpu);
// The partition of exactly these modules; a null pointer if there is none.
const FabricPartition* find_partition(const std::vector<FabricPartition>& partitions, const GpuModules& modules);

// What `nvidia-smi -i GPU -q` says; empty if it does not answer. Throws HostError::timed_out.
std::string describe_by_nvidia_smi(HostReader& host, const Bdf& gpu);
// "Enabled", "Disabled", "N/A" from the section "MIG Mode" of that text; empty if it has none.
std::string current_mig_mode(const std::string& description);

}  // namespace gpuplan
