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
  power_control,
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
  // Of a large directory: the one entry of a name, without making the others. Agrees with children().
  std::function<std::optional<Node>(const std::string&)> child;
  Attribute attribute = Attribute::none;
  std::string subject;                     // of the attribute: an address, a driver, or a NUMA node's number
  bool device_hangs = false;               // reading it waits for a device whose unbind hangs

  static Node file(std::string content);
  static Node file(std::function<std::string()> content);
  static Node directory(std::function<Entries()> children);
  static Node link(std::string target);
  Node finding(std::function<std::optional<Node>(const std::string&)> by_name) &&;
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

// A function's directory below /sys/devices, and where that stands, without itself: "pci0000:00/0000:00:01.1".
Node device_directory(const Model& model, const Device& device);
std::string devices_root(const Model& model, const Device& device);

// Directories that hold nothing.
Entries empty_directories(const std::vector<std::string>& names);
// Directories that hold nothing but one other, from names[from] down to `leaf`.
Node nested(const std::vector<std::string>& names, std::size_t from, Node leaf);

// "0-3,8" as numbers.
std::vector<int> read_cpu_list(const std::string& text);

}  // namespace gpuplan::sim
