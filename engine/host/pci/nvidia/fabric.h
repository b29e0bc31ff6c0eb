// NVSwitch partitions, as Fabric Manager shows them, and how to switch them. Reading is thread-safe if the host is.
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
std::optional<std::int64_t> parse_gpu_module(const std::string& text);  // nothing for "N/A" and what else is no number

// A set of GPUs that Fabric Manager can join by NVLink. CUDA works in a VM only if exactly the VM's GPUs
// are a partition, and that is active.
struct FabricPartition {
  std::int64_t id = 0;
  GpuModules modules;
  bool active = false;
};

inline constexpr const char* fabric_config_path = "/usr/share/nvidia/nvswitch/fabricmanager.cfg";
inline constexpr const char* fabric_log_path = "/var/log/fabricmanager.log";
inline constexpr const char* fabric_service = "nvidia-fabricmanager";
// What is asked for partitions, for the module ids of GPUs, and for both: where a finding was read from.
inline constexpr const char* partitions_source = "fmpm -l";
inline constexpr const char* modules_source = "nvidia-smi -q";
inline constexpr const char* fabric_source = "fmpm -l, nvidia-smi -q";
// Below it a file per GPU that is away from the nvidia driver holds its module id, which only that driver can tell.
// vfio-bind writes and removes them. They outlive a reboot, after which a GPU may be on vfio-pci from the start. Not below
// /var/lib/gpuplan, which may be a pool's, too: who of the two made it, and takes it away, would be a matter of chance.
inline constexpr const char* gpu_modules_path = "/var/lib/gpuplan-gpu-modules";
std::string gpu_module_path(const Bdf& gpu);  // that file of one GPU

// True of the unit with or without its ending. Stopping it takes NVLink away from every GPU and VM of the machine.
bool is_fabric_manager(const std::string& unit);
// True if Fabric Manager is set to give partitions to VMs (FABRIC_MODE=1).
bool shares_fabric(FileReader& files);
std::string how_to_share_fabric();  // "set FABRIC_MODE=1 …"; it takes effect when Fabric Manager starts again
// From `fmpm -l`; empty if it does not answer. Throws HostError::timed_out.
std::vector<FabricPartition> read_fabric_partitions(HostReader& host);
// What its driver says of this one GPU, else the file about it. Nothing if neither says. Throws
// HostError::timed_out.
std::optional<std::int64_t> read_gpu_module(HostReader& host, const Bdf& gpu);
// The partition of exactly these modules; a null pointer if there is none.
const FabricPartition* find_partition(const std::vector<FabricPartition>& partitions, const GpuModules& modules);
// What activates or deactivates a partition. It refuses what is done already, and prints its errors on stdout.
Command partition_command(std::int64_t partition, bool on);

}  // namespace gpuplan
