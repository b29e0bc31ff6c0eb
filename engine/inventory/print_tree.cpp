#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "inventory/print_inventory.h"

namespace gpuplan {
namespace {

// Printed one below the other, each level two blanks further in.
class Tree {
 public:
  Tree(const Inventory& inventory, bool all) : inventory_(inventory), all_(all) {}

  std::string print() {
    std::set<int> nodes;
    for (const NumaNode& node : inventory_.nodes) nodes.insert(node.number);
    for (const InventoryFunction& item : inventory_.functions) nodes.insert(item.function.numa_node);
    for (const int node : nodes) print_node(node);
    return text_;
  }

 private:
  static bool is_endpoint_of_interest(const PciFunction& function) {
    const std::uint32_t base = function.class_code >> 16U;
    return function.is_gpu() || function.is_nvswitch() || base == 0x01 || base == 0x02;
  }

  bool is_shown(const InventoryFunction& item) const {
    if (all_) return true;
    if (item.function.is_bridge()) return false;  // where something hangs on it, it is printed for that
    return is_endpoint_of_interest(item.function) ||
           std::any_of(inventory_.functions.begin(), inventory_.functions.end(), [&](const InventoryFunction& other) {
             return other.function.is_gpu() && other.function.address.same_slot(item.function.address);
           });
  }

  void line(std::size_t depth, const std::string& words) { text_ += std::string(2 * depth, ' ') + words + '\n'; }

  void print_node(int number) {
    const auto node = std::find_if(inventory_.nodes.begin(), inventory_.nodes.end(),
                                   [&](const NumaNode& each) { return each.number == number; });
    if (node == inventory_.nodes.end()) line(0, number < 0 ? "no NUMA node known" : fmt::format("NUMA node {}", number));
    else line(0, fmt::format("NUMA node {}: CPUs {}, {} MiB", number, node->cpus, node->memory_mib));
    std::set<std::string> roots;
    for (const InventoryFunction& item : inventory_.functions) {
      if (item.function.numa_node == number && is_shown(item)) roots.insert(item.path.root);
    }
    for (const std::string& root : roots) {
      line(1, root.empty() ? "host bridge unknown" : "host bridge " + root);
      printed_.clear();
      for (const InventoryFunction& item : inventory_.functions) {
        if (item.function.numa_node == number && item.path.root == root && is_shown(item)) print_function(item);
      }
    }
  }

  // With the bridges above it that were not printed yet.
  void print_function(const InventoryFunction& item) {
    std::size_t depth = 2;
    for (const Bdf& bridge : item.path.bridges) {
      if (printed_.insert(bridge).second) print_bridge(bridge, depth);
      ++depth;
    }
    if (!printed_.insert(item.function.address).second) return;
    const std::string users = users_of(item);
    std::string words = fmt::format("{}  {}", item.function.address.to_string(), class_name(item.function));
    if (item.name() != class_name(item.function)) words += "  " + item.name();
    words += item.hangs                     ? "  HANGS"
             : item.function.driver.empty() ? "  no driver"
                                            : "  driver " + item.function.driver;
    if (item.function.iommu_group) words += fmt::format("  group {}", *item.function.iommu_group);
    if (item.module) words += fmt::format("  module {}", *item.module);
    for (const std::string& name : item.interfaces) words += "  " + name;
    for (const std::string& name : item.disks) words += "  " + name;
    if (!users.empty()) words += "  used by " + users;
    line(depth, words);
  }

  void print_bridge(const Bdf& address, std::size_t depth) {
    const InventoryFunction* bridge = inventory_.find(address);
    const std::string kind = depth == 2 ? "root port" : "bridge";
    if (bridge == nullptr) line(depth, fmt::format("{}  {}", address.to_string(), kind));
    else line(depth, fmt::format("{}  {}  {}", address.to_string(), kind, bridge->name()));
  }

  const Inventory& inventory_;
  const bool all_;
  std::string text_;
  std::set<Bdf> printed_;  // below the current host bridge
};

}  // namespace

std::string print_inventory_tree(const Inventory& inventory, bool all) { return Tree(inventory, all).print(); }

}  // namespace gpuplan
