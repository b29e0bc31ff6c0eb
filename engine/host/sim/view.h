// The model as a tree of files, built only as far as a path needs it.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "host/ports.h"
#include "host/sim/model.h"

namespace gpuplan::sim {

struct Node;
using Entries = std::vector<std::pair<std::string, Node>>;

// What a write to a file means to the kernel; none: the file cannot be written.
enum class Attribute {
  none,
  plain,             // a file of the host's disk
  driver_override,
  sriov_numvfs,
  harmless,          // accepted, without an effect that the model knows
  bind,
  unbind,
  new_id,
  remove_id,
  drivers_probe,
  unbind_lock,
  hugepages_2m,
  hugepages_1g,
  unsafe_interrupts,
};

// A file, directory or symlink. Its functions refer to the model and live as long as it is unchanged.
struct Node {
  FileKind kind = FileKind::none;
  std::function<std::string()> text;       // of a file: its content; of a symlink: its target
  std::function<Entries()> children;       // of a directory
  Attribute attribute = Attribute::none;
  std::string subject;                     // of the attribute: an address, a driver, or a NUMA node's number
  bool device_hangs = false;               // reading it waits for a device whose unbind hangs

  static Node file(std::string content);
  static Node file(std::function<std::string()> content);
  static Node directory(std::function<Entries()> children);
  static Node link(std::string target);
  Node writable(Attribute what, std::string about = {}) &&;
};

// The root of the tree. Files of the host's disk take precedence over generated ones.
Node root(const Model& model);

// What stands at an absolute path, symlinks on the way followed, and the last component too if
// `follow` is set. A node of kind none if there is nothing.
Node look_up(const Model& model, const std::string& path, bool follow);

// The parts of the generated tree.
Entries sys_entries(const Model& model);
Entries proc_entries(const Model& model);
Entries dev_entries(const Model& model);
// /sys/devices/system/node, a part of the first.
Entries numa_entries(const Model& model);

// "0-3,8" as numbers.
std::vector<int> read_cpu_list(const std::string& text);

}  // namespace gpuplan::sim
