// What all VMs of a cluster share: the storage pool, base images, the network.
#pragma once

#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "declaration.h"
#include "plugin/step_kind.h"

namespace gpuplan::vm_define {

// Who made the pool in a directory, and with it which directories: a file in that directory, written
// before the pool is defined, so that no instant exists in which a pool of ours looks like somebody else's.
inline constexpr std::string_view pool_mark = ".gpuplan-owner";
struct PoolMark {
  std::string cluster;
  std::vector<std::string> directories;  // made by gpuplan, deepest first
};
std::optional<PoolMark> read_pool_mark(FileReader& files, const std::string& directory);

// `path` and those of its parents that do not exist, deepest first.
std::vector<std::string> missing_directories(FileReader& files, const std::string& path);

// Makes and takes away the shared objects, one caller at a time. Everything is idempotent.
class Shared {
 public:
  // Pool, base image and network as `vm` and the spec need them. Returns the base image's path.
  std::string ensure(const Vm& vm, const Spec& spec, Host& host, StepContext& context);

  // Takes away what gpuplan made and nothing uses any more: `image` when no volume stands on it and no domain runs
  // from it, the pool when it holds nothing else, `network` when no domain is connected to it. `directories`: those
  // that the caller's capture() found missing; who releases the pool last removes them.
  struct Remains {
    std::string owner, pool, pool_path, image, network;
    std::vector<std::string> directories;
  };
  void release(const Remains& remains, Host& host);

 private:
  std::mutex mutex_;
};

}  // namespace gpuplan::vm_define
