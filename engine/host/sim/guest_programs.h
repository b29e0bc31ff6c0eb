// What GPU programs print, on a simulated guest itself and in its containers.
#pragma once

#include <string>

#include "host/sim/guest.h"

namespace gpuplan::sim {

// False on a guest whose running kernel has no nvidia module, as after an update of the kernel: the disk's state says
// "driver_missing".
bool driver_is_loaded(const GuestDisk& disk);

struct ProgramResult {
  int exit_status = 0;
  std::string log;           // stdout and stderr together
  std::string start_error;   // why the container could not even be started; empty if it was
  std::int64_t seconds = 0;  // how long it runs
};

// nvidia-smi [-L] as it sees the first `gpus` GPUs of `node`.
ProgramResult nvidia_smi(const GuestDisk& disk, GuestWorld& world, const std::string& node, std::size_t gpus);

// A container of a pod that was given `gpus` GPUs: nvidia-smi, sleep, or NVIDIA's CUDA sample vectorAdd.
ProgramResult run_container(const GuestDisk& disk, GuestWorld& world, const std::string& node, const Json& container,
                            std::size_t gpus);

}  // namespace gpuplan::sim
