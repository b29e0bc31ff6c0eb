#include "inventory/read_machine.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <sstream>

#include "host/query_output.h"
#include "report/diagnostic.h"

namespace gpuplan {
namespace {

constexpr const char* nodes_path = "/sys/devices/system/node";
constexpr std::size_t most_processors = 1U << 16U;  // what a broken list could claim

std::int64_t number_in(FileReader& files, const std::string& path) {
  const std::string text = read_trimmed(files, path).value_or("");
  std::int64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return std::max<std::int64_t>(number, 0);
}

// "Node 0 MemTotal:  1073741824 kB": the number after the key, wherever it stands.
NumaNode read_node(FileReader& files, int number) {
  const std::string directory = fmt::format("{}/node{}", nodes_path, number);
  const std::string small = directory + "/hugepages/hugepages-2048kB/";
  const std::string big = directory + "/hugepages/hugepages-1048576kB/";
  NumaNode node;
  node.number = number;
  node.cpus = printable(read_trimmed(files, directory + "/cpulist").value_or(""));
  node.memory_mib = number_after(read_trimmed(files, directory + "/meminfo").value_or(""), "MemTotal:") / 1024;
  node.hugepages_2m = number_in(files, small + "nr_hugepages");
  node.free_hugepages_2m = number_in(files, small + "free_hugepages");
  node.hugepages_1g = number_in(files, big + "nr_hugepages");
  node.free_hugepages_1g = number_in(files, big + "free_hugepages");
  return node;
}

void read_nodes(FileReader& files, Inventory& inventory) {
  for (const std::string& name : list_or_none(files, nodes_path)) {
    int number = 0;
    if (name.rfind("node", 0) != 0) continue;
    const auto [end, error] = std::from_chars(name.data() + 4, name.data() + name.size(), number);
    if (error != std::errc() || end != name.data() + name.size() || number < 0) continue;
    inventory.nodes.push_back(read_node(files, number));
  }
  std::sort(inventory.nodes.begin(), inventory.nodes.end(),
            [](const NumaNode& a, const NumaNode& b) { return a.number < b.number; });
}

std::string read_kernel(HostReader& host) {
  if (const auto release = read_trimmed(host.files(), "/proc/sys/kernel/osrelease")) return printable(*release);
  std::string text = query_output(host, {"uname", "-r"});
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return printable(text);
}

std::size_t count_in_cpuinfo(FileReader& files) {
  std::istringstream lines(read_trimmed(files, "/proc/cpuinfo").value_or(""));
  std::size_t count = 0;
  for (std::string line; std::getline(lines, line);) {
    if (line.rfind("processor", 0) == 0) ++count;
  }
  return count;
}

}  // namespace

std::vector<std::string> list_or_none(FileReader& files, const std::string& path) {
  try {
    return files.list(path);
  } catch (const HostError& error) {
    if (error.kind() == HostError::Kind::timed_out) throw;
    return {};
  }
}

std::string os_release_value(FileReader& files, const std::string& key) {
  auto text = read_trimmed(files, "/etc/os-release");
  if (!text) text = read_trimmed(files, "/usr/lib/os-release");
  std::istringstream lines(text.value_or(""));
  for (std::string line; std::getline(lines, line);) {
    if (line.rfind(key + "=", 0) != 0) continue;
    std::string value = line.substr(key.size() + 1);
    std::erase_if(value, [](char c) { return c == '"' || c == '\''; });
    return printable(value);
  }
  return {};
}

std::int64_t number_after(const std::string& text, const std::string& key) {
  std::istringstream words(text);
  for (std::string word; words >> word;) {
    std::int64_t value = 0;
    if (word == key && words >> value) return std::max<std::int64_t>(value, 0);
  }
  return 0;
}

std::size_t count_processors(const std::string& cpu_list) {
  std::size_t count = 0;
  std::istringstream ranges(cpu_list);
  for (std::string range; std::getline(ranges, range, ',');) {
    std::size_t first = 0;
    const char* const end = range.data() + range.size();
    const auto begin = std::from_chars(range.data(), end, first);
    if (begin.ec != std::errc()) continue;
    std::size_t last = first;
    if (begin.ptr != end && *begin.ptr == '-') std::from_chars(begin.ptr + 1, end, last);
    if (last >= first && last - first < most_processors) count += last - first + 1;
  }
  return count;
}

void read_machine(HostReader& host, Inventory& inventory) {
  FileReader& files = host.files();
  inventory.description = printable(host.description());
  inventory.os = os_release_value(files, "PRETTY_NAME");
  inventory.kernel = read_kernel(host);
  inventory.cpu = read_cpu(files);
  inventory.cpu.model = printable(inventory.cpu.model);
  inventory.iommu_table = read_iommu_table(files);
  inventory.iommu_groups = count_iommu_groups(files);
  inventory.interrupt_remapping = has_interrupt_remapping(files);
  inventory.address_width = read_address_width(files);
  inventory.has_kvm = files.kind("/dev/kvm") != FileKind::none;
  const std::string memory = read_trimmed(files, "/proc/meminfo").value_or("");
  inventory.memory_mib = number_after(memory, "MemTotal:") / 1024;
  inventory.available_mib = number_after(memory, "MemAvailable:") / 1024;
  read_nodes(files, inventory);
  for (const NumaNode& node : inventory.nodes) inventory.processors += count_processors(node.cpus);
  if (inventory.processors == 0) inventory.processors = count_in_cpuinfo(files);
}

}  // namespace gpuplan
