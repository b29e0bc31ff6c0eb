// A simulated guest: what its disk remembers, and the programs it interprets.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "host/ports.h"
#include "json/json.h"

namespace gpuplan::sim {

struct GuestFile {
  std::string content;
  unsigned mode = 0644;
};

// Everything that a guest's disk keeps across reboots and redefinitions; gone with the volume. The
// hypervisor part of the model owns one per boot disk and stores it with to_json / from_json.
struct GuestDisk {
  std::map<std::string, GuestFile> files;  // those that were put or that programs made
  // Of the programs: "cluster" on a control plane (tokens, nodes, releases…), "membership" on a worker.
  // "other_runtimes" (["unix:///var/run/crio/crio.sock"]): beside containerd.
  // "driver_missing" (true): the kernel that runs has no nvidia module. "unreachable_registries" (["nvcr.io"]): from
  // which images cannot be pulled. "kubeadm_version" ("v1.34.2") and "helm_version" say which packages are installed;
  // without them there are none.
  Json state = Json::object();
};

Json to_json(const GuestDisk& disk);
GuestDisk guest_disk_from_json(const Json& json);

struct GuestGpu {
  std::string model;  // "NVIDIA H100 80GB HBM3"
  std::string uuid;   // "GPU-…"
};

// What a guest's programs see of the world around them.
class GuestWorld {
 public:
  virtual ~GuestWorld() = default;
  virtual std::int64_t now() = 0;  // virtual seconds since 1970
  virtual std::string node() = 0;  // of this guest: "gpu-worker-1"
  virtual std::string address() = 0;
  virtual std::size_t gpus_of(const std::string& node) = 0;  // passed-through GPUs that a running guest sees
  // The same GPUs, as nvidia-smi tells them apart.
  virtual std::vector<GuestGpu> gpus(const std::string& node);
  // True if CUDA initializes there. It does not where NVSwitches join the GPUs and their partition is not active.
  virtual bool has_cuda(const std::string& node) { return gpus_of(node) > 0; }
  virtual bool runs(const std::string& node) = 0;            // the guest of that node is up
  // The disk of the running guest with that node name or address; a null pointer if there is none.
  virtual GuestDisk* disk_of_node(const std::string& node) = 0;
  virtual GuestDisk* disk_at(const std::string& address) = 0;
};

// A GPU's UUID in nvidia-smi's form, always the same one for the same text.
std::string gpu_uuid(const std::string& of);

// Interprets one argv (kubeadm, kubectl, helm, and the few others that the cluster steps use) on
// `disk`, with the exit status and output that the real program would give. An unknown program exits
// with 127. `command.limit` and time are not looked at. `read_only` refuses (HostError::refused) what
// would change something. Not thread-safe: the model's lock is held.
CommandResult run_guest_program(GuestDisk& disk, GuestWorld& world, const Command& command, bool read_only);

}  // namespace gpuplan::sim
