#include "host/pci/nvidia/smi.h"

#include <fmt/format.h>

#include <algorithm>
#include <sstream>

#include "host/pci/nvidia/fabric.h"
#include "host/query_output.h"

namespace gpuplan {
namespace {

std::string without_blanks(const std::string& text) {
  const std::size_t begin = text.find_first_not_of(" \t\r");
  return begin == std::string::npos ? "" : text.substr(begin, text.find_last_not_of(" \t\r") - begin + 1);
}

std::vector<GpuDescription> parse_descriptions(const std::string& text) {
  constexpr std::size_t heading_length = 20;  // "GPU 00000000:0A:00.0": the domain has 8 digits there
  std::vector<GpuDescription> gpus;
  std::string section;  // the last heading
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (line.rfind("GPU ", 0) == 0 && line.size() >= heading_length) {
      gpus.emplace_back();
      gpus.back().address = parse_bdf(line.substr(8));
      section.clear();
      continue;
    }
    const std::size_t colon = line.find(':');
    if (colon == std::string::npos) section = without_blanks(line);
    if (colon == std::string::npos || gpus.empty()) continue;
    const std::string key = without_blanks(line.substr(0, colon));
    const std::string value = without_blanks(line.substr(colon + 1));
    GpuDescription& gpu = gpus.back();
    if (section == "MIG Mode" && gpu.mig.empty() && key == "Current") gpu.mig = value;
    const bool is_state = section == "Fabric" && key == "State";
    if (is_state && std::find(fabric_states.begin(), fabric_states.end(), value) != fabric_states.end()) gpu.fabric = value;
    if (gpu.persistence.empty() && key == "Persistence Mode") gpu.persistence = value;
    // "Module ID", "Module Id", "GPU Module ID": releases of the driver spell it differently.
    if (!gpu.module && key.find("Module I") != std::string::npos) gpu.module = parse_gpu_module(value);
  }
  return gpus;
}

std::vector<std::string> description_argv(const Bdf& gpu) { return {driver_tool, "-i", gpu.to_string(), "-q"}; }

}  // namespace

bool has_driver_tool(const PciFunction& function) { return function.driver == "nvidia"; }

bool only_looks(const DeviceHolder& holder) { return holder.command == driver_tool; }

std::vector<GpuDescription> describe_gpus(HostReader& host) {
  return parse_descriptions(query_output(host, {driver_tool, "-q"}));
}

GpuDescription describe_gpu(HostReader& host, const Bdf& gpu) {
  const auto described = parse_descriptions(query_output(host, description_argv(gpu)));
  return described.empty() ? GpuDescription{} : described.front();
}

std::string description_source(const Bdf& gpu) { return join_argv(description_argv(gpu)); }

std::string how_to_end_mig(const Bdf& gpu) {
  return fmt::format("`{0} -i {1} -mig 0` (on A100 and older also `{0} -i {1} --gpu-reset`)", driver_tool, gpu.to_string());
}

bool persistence_is_on(const PciFunction& function, HostReader& host) {
  if (!has_driver_tool(function)) return false;
  // A broken nvidia-smi does not stand in the way of binding.
  const std::string mode = query_output(
      host, {driver_tool, "-i", function.address.to_string(), "--query-gpu=persistence_mode", "--format=csv,noheader"});
  return mode.rfind("Enabled", 0) == 0;
}

std::optional<Command> persistence_command(const PciFunction& function, bool on) {
  if (!has_driver_tool(function)) return std::nullopt;
  Command command;
  command.argv = {driver_tool, "-i", function.address.to_string(), "-pm", on ? "1" : "0"};
  return command;
}

}  // namespace gpuplan
