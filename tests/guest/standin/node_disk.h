// What the simulated programs know as a guest's disk, on a real one.
#pragma once

#include <string>
#include <vector>

#include "host/sim/guest.h"

namespace gpuplan::standin {

inline constexpr const char* directory = "/var/lib/guest-standin";
inline constexpr const char* kubernetes_directory = "/etc/kubernetes";
inline constexpr const char* kubelet_conf = "/etc/kubernetes/kubelet.conf";
inline constexpr std::uint16_t api_port = 6443;

// The state stands in DIRECTORY/state.json; files are those below /etc/kubernetes and those that a command names. One
// process at a time has it, until this object goes.
class NodeDisk {
 public:
  // Waits for its turn. `argv`: what is going to run.
  explicit NodeDisk(const std::vector<std::string>& argv);
  ~NodeDisk();
  NodeDisk(const NodeDisk&) = delete;
  NodeDisk& operator=(const NodeDisk&) = delete;

  sim::GuestDisk& disk() { return disk_; }
  // Writes what has changed, below /etc/kubernetes alone.
  void save();

 private:
  int lock_ = -1;
  sim::GuestDisk disk_;
  sim::GuestDisk before_;
};

std::string read_text(const std::string& path);  // empty if it cannot be read
void write_text(const std::string& path, const std::string& content, unsigned mode);

}  // namespace gpuplan::standin
