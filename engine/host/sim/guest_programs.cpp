#include "host/sim/guest_programs.h"

#include <fmt/format.h>

#include <algorithm>

namespace gpuplan::sim {
namespace {

constexpr const char* sample_repository = "nvcr.io/nvidia/k8s/cuda-sample:";
constexpr const char* vector_add_path = "/cuda-samples/vectorAdd";

std::vector<std::string> words_of(const Json& container) {
  std::vector<std::string> words;
  for (const char* list : {"/command", "/args"}) {
    for (const Json& word : member_at(container, list))
      words.push_back(word.is_string() ? word.get<std::string>() : "");
  }
  const std::string image = string_at(container, "/image");
  if (words.empty() && image.rfind(std::string(sample_repository) + "vectoradd", 0) == 0)
    words.emplace_back(vector_add_path);
  return words;
}

// Source: NVIDIA/cuda-samples, vectorAdd.cu. Its first CUDA call is the allocation.
ProgramResult vector_add(GuestWorld& world, const std::string& node, std::size_t gpus) {
  const std::string begin = "[Vector addition of 50000 elements]\n";
  const auto fails = [&](const char* error) {
    return ProgramResult{
        1, begin + fmt::format("Failed to allocate device vector A (error code {})!\n", error), {}, 1};
  };
  if (gpus == 0) return fails("no CUDA-capable device is detected");
  if (!world.has_cuda(node)) return fails("system not yet initialized");
  return {0,
          begin +
              "Copy input data from the host memory to the CUDA device\nCUDA kernel launch with 196 blocks of 256 "
              "threads\n"
              "Copy output data from the CUDA device to the host memory\nTest PASSED\nDone\n",
          {},
          1};
}

}  // namespace

bool driver_is_loaded(const GuestDisk& disk) { return !bool_at(disk.state, "/driver_missing"); }

ProgramResult nvidia_smi(const GuestDisk& disk, GuestWorld& world, const std::string& node, std::size_t gpus) {
  if (!driver_is_loaded(disk)) {
    return {9,
            "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. Make sure that the latest "
            "NVIDIA driver "
            "is installed and running.\n\n",
            {},
            1};
  }
  const std::vector<GuestGpu> all = world.gpus(node);
  const std::size_t count = std::min(gpus, all.size());
  if (count == 0) return {9, "No devices were found\n", {}, 1};
  std::string log;
  for (std::size_t i = 0; i < count; ++i) log += fmt::format("GPU {}: {} (UUID: {})\n", i, all[i].model, all[i].uuid);
  return {0, log, {}, 1};
}

ProgramResult run_container(const GuestDisk& disk, GuestWorld& world, const std::string& node, const Json& container,
                            std::size_t gpus) {
  const std::vector<std::string> words = words_of(container);
  if (gpus > 0 && !driver_is_loaded(disk)) {
    return {128,
            {},
            "failed to create containerd task: failed to create shim task: OCI runtime create failed: "
            "nvidia-container-cli: "
            "initialization error: nvml error: driver not loaded: unknown",
            0};
  }
  const std::string program = words.empty() ? "" : words.front();
  // A GPU that is gone from the guest cannot be given to a container either.
  const std::size_t seen = std::min(gpus, world.gpus_of(node));
  if (program == "nvidia-smi") return nvidia_smi(disk, world, node, seen);
  if (program == vector_add_path) return vector_add(world, node, seen);
  if (program == "sleep") return {0, {}, {}, words.size() > 1 ? std::atoll(words[1].c_str()) : 0};
  return {128,
          {},
          fmt::format("failed to create containerd task: exec: \"{}\": executable file not found in $PATH: unknown",
                      program),
          0};
}

}  // namespace gpuplan::sim
