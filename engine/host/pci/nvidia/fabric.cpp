#include "host/pci/nvidia/fabric.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <sstream>

#include "host/pci/nvidia/smi.h"
#include "host/pci/pci.h"
#include "host/query_output.h"
#include "json/json.h"

namespace gpuplan {
namespace {

constexpr std::chrono::seconds switch_limit{120};

}  // namespace

std::optional<std::int64_t> parse_gpu_module(const std::string& text) {
  std::int64_t module = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), module);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return module;
}

std::string gpu_module_path(const Bdf& gpu) { return fmt::format("{}/{}", gpu_modules_path, gpu.to_string()); }

bool is_fabric_manager(const std::string& unit) {
  return unit == fabric_service || unit == fmt::format("{}.service", fabric_service);
}

std::string how_to_share_fabric() { return fmt::format("set FABRIC_MODE=1 (shared NVSwitch) in {}", fabric_config_path); }

bool shares_fabric(FileReader& files) {
  std::istringstream lines(read_trimmed(files, fabric_config_path).value_or(""));
  for (std::string line; std::getline(lines, line);) {
    if (line.rfind("FABRIC_MODE=1", 0) == 0) return true;
  }
  return false;
}

std::vector<FabricPartition> read_fabric_partitions(HostReader& host) {
  const std::string text = query_output(host, {"fmpm", "-l"});
  if (text.empty()) return {};
  try {
    std::vector<FabricPartition> partitions;
    const Json document = parse_json(text, "output of fmpm -l");
    for (const Json& item : member_at(document, "/partitionInfo")) {
      FabricPartition partition;
      partition.id = int_at(item, "/partitionId");
      partition.active = int_at(item, "/isActive") != 0;
      for (const Json& gpu : member_at(item, "/gpuInfo")) partition.modules.insert(int_at(gpu, "/physicalId"));
      partitions.push_back(std::move(partition));
    }
    return partitions;
  } catch (const JsonError&) {
    return {};  // as good as no answer
  }
}

std::optional<std::int64_t> read_gpu_module(HostReader& host, const Bdf& gpu) {
  const auto function = read_pci_function(host.files(), gpu);
  if (function && has_driver_tool(*function)) {
    if (const auto told = describe_gpu(host, gpu).module) return told;
  }
  return parse_gpu_module(read_trimmed(host.files(), gpu_module_path(gpu)).value_or(""));
}

const FabricPartition* find_partition(const std::vector<FabricPartition>& partitions, const GpuModules& modules) {
  const auto found = std::find_if(partitions.begin(), partitions.end(),
                                  [&](const FabricPartition& partition) { return partition.modules == modules; });
  return found == partitions.end() || modules.empty() ? nullptr : &*found;
}

Command partition_command(std::int64_t partition, bool on) {
  Command command;
  command.argv = {"fmpm", on ? "-a" : "-d", std::to_string(partition)};
  command.limit = switch_limit;
  return command;
}

}  // namespace gpuplan
