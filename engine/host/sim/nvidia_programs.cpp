#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <sstream>

#include "host/sim/host_commands.h"

namespace gpuplan::sim {
namespace {

std::string bus_id(const Device& device) {
  std::string text = "0000" + device.address.to_string();
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return text;
}

// GPUs that the nvidia driver has, in the order in which it counts them.
std::vector<Device*> nvidia_gpus(Model& model) {
  std::vector<Device*> gpus;
  for (Device& device : model.devices) {
    if (device.driver == "nvidia" && device.is_gpu()) gpus.push_back(&device);
  }
  return gpus;
}

bool is_meant(const Device& device, std::size_t index, std::string wanted) {
  std::transform(wanted.begin(), wanted.end(), wanted.begin(), [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  const std::string full = bus_id(device);
  const std::string usual = full.substr(4);
  return wanted == std::to_string(index) || wanted == full || wanted == usual || wanted == usual.substr(5);
}

std::string field_of(const Device& device, std::size_t index, const std::string& field) {
  if (field == "index") return std::to_string(index);
  if (field == "name" || field == "gpu_name") return device.model;
  if (field == "pci.bus_id" || field == "gpu_bus_id") return bus_id(device);
  if (field == "persistence_mode") return device.persistence ? "Enabled" : "Disabled";
  if (field == "mig.mode.current" || field == "mig.mode.pending") {
    return device.mig ? "Enabled" : "Disabled";
  }
  if (field == "driver_version") return "580.126.20";
  return "[N/A]";
}

std::string details(const Device& device) {
  return fmt::format(
      "\nGPU {0}\n    Product Name                          : {1}\n    Persistence Mode                      : {2}\n"
      "    MIG Mode\n        Current                           : {3}\n        Pending                           : {3}\n"
      "    Minor Number                          : {4}\n    Module ID                             : {5}\n"
      "    Fabric\n        State                             : {6}\n",
      bus_id(device), device.model, device.persistence ? "Enabled" : "Disabled", device.mig ? "Enabled" : "Disabled",
      device.minor, device.module_id == 0 ? "N/A" : std::to_string(device.module_id),
      device.fabric.empty() ? "N/A" : device.fabric);
}

std::string query(const std::vector<std::pair<std::size_t, Device*>>& gpus, const std::string& fields, bool header) {
  std::string out = header ? fields + "\n" : "";
  for (const auto& [index, gpu] : gpus) {
    std::istringstream list(fields);
    std::string field;
    std::string line;
    while (std::getline(list, field, ',')) {
      field.erase(0, field.find_first_not_of(' '));
      line += (line.empty() ? "" : ", ") + field_of(*gpu, index, field);
    }
    out += line + "\n";
  }
  return out;
}

}  // namespace

// nvidia-smi [-i GPU] -q | -pm 0|1 | --query-gpu=FIELDS --format=csv[,noheader] | -L
CommandResult run_nvidia_smi(Model& model, const std::vector<std::string>& argv, const MayChange& change) {
  if (!module_loaded(model, "nvidia")) {
    return {9, "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.\n", ""};
  }
  std::string wanted;
  std::string persistence;
  std::string fields;
  bool all_details = false;
  bool header = true;
  for (std::size_t i = 1; i < argv.size(); ++i) {
    const std::string& word = argv[i];
    if ((word == "-i" || word == "--id") && i + 1 < argv.size()) wanted = argv[++i];
    else if (word.rfind("--id=", 0) == 0) wanted = word.substr(5);
    else if ((word == "-pm" || word == "--persistence-mode") && i + 1 < argv.size()) persistence = argv[++i];
    else if (word.rfind("--persistence-mode=", 0) == 0) persistence = word.substr(19);
    else if (word.rfind("--query-gpu=", 0) == 0) fields = word.substr(12);
    else if (word.rfind("--format=", 0) == 0) header = word.find("noheader") == std::string::npos;
    else if (word == "-q") all_details = true;
    else if (word != "-L") return {2, "", fmt::format("Invalid combination of input arguments: {}\n", word)};
  }
  std::vector<std::pair<std::size_t, Device*>> gpus;
  std::size_t index = 0;
  for (Device* gpu : nvidia_gpus(model)) {
    if (wanted.empty() || is_meant(*gpu, index, wanted)) gpus.emplace_back(index, gpu);
    ++index;
  }
  if (gpus.empty()) return {6, "No devices were found\n", ""};
  CommandResult result;
  if (!persistence.empty()) {
    change();
    for (const auto& [number, gpu] : gpus) {
      gpu->persistence = persistence == "1" || persistence == "ENABLED";
      result.output += fmt::format("{} persistence mode for GPU {}.\n", gpu->persistence ? "Enabled" : "Disabled", bus_id(*gpu));
    }
    result.output += "All done.\n";
  } else if (!fields.empty()) {
    result.output = query(gpus, fields, header);
  } else {
    for (const auto& [number, gpu] : gpus) {
      result.output += all_details ? details(*gpu) : fmt::format("GPU {}: {}\n", number, gpu->model);
    }
  }
  return result;
}

namespace {

bool overlaps(const Partition& a, const Partition& b) {
  return std::any_of(a.modules.begin(), a.modules.end(), [&](int module) {
    return std::find(b.modules.begin(), b.modules.end(), module) != b.modules.end();
  });
}

// The layout of fmpm's own output. In shared mode Fabric Manager names GPUs by physical id only.
Json partition_list(const FabricManager& manager) {
  Json partitions = Json::array();
  for (const Partition& partition : manager.partitions) {
    Json gpus = Json::array();
    for (const int module : partition.modules) {
      gpus.push_back({{"physicalId", module}, {"pciBusId", ""}, {"uuid", ""}, {"maxNumNvLinks", 18},
                      {"numNvLinksAvailable", 18}, {"nvlinkLineRateMBps", 50000}});
    }
    partitions.push_back({{"partitionId", partition.id},
                          {"isActive", partition.active ? 1 : 0},
                          {"numGpus", partition.modules.size()},
                          {"gpuInfo", gpus}});
  }
  return {{"version", 16909068},
          {"maxNumPartitions", manager.partitions.size()},
          {"numPartitions", manager.partitions.size()},
          {"partitionInfo", partitions}};
}

// fmpm prints its errors on stdout, and ends with Fabric Manager's code. Source: nv_fm_types.h.
enum FabricError { bad_parameter = -1, not_supported = -3, not_activated = -4, in_use = -7, no_connection = -9 };

CommandResult fabric_failure(const std::string& what, FabricError code) {
  return {static_cast<int>(code) & 0xff, fmt::format("Failed to {}. fmReturn: {}\n", what, static_cast<int>(code)), ""};
}

CommandResult switch_partition(FabricManager& manager, bool on, const std::string& text, const MayChange& change) {
  const std::string what = on ? "activate partition" : "deactivate partition";
  int id = -1;
  std::from_chars(text.data(), text.data() + text.size(), id);
  Partition* chosen = nullptr;
  for (Partition& partition : manager.partitions) {
    if (partition.id == id) chosen = &partition;
  }
  if (chosen == nullptr) return fabric_failure(what, bad_parameter);
  if (chosen->active == on) return fabric_failure(what, on ? in_use : not_activated);
  for (const Partition& other : manager.partitions) {
    if (on && other.active && overlaps(other, *chosen)) return fabric_failure(what, in_use);
  }
  change();
  chosen->active = on;
  return {};
}

}  // namespace

// fmpm -l | -a ID | -d ID
CommandResult run_fmpm(Model& model, const std::vector<std::string>& argv, const MayChange& change) {
  const auto service = model.services.find("nvidia-fabricmanager.service");
  const bool runs = service != model.services.end() && service->second.active;
  if (!runs) return fabric_failure("connect to Fabric Manager instance", no_connection);
  if (model.fabric_manager.mode != "shared") return fabric_failure("get partition list", not_supported);
  for (std::size_t i = 1; i < argv.size(); ++i) {
    if (argv[i] == "-l" || argv[i] == "--list") return {0, partition_list(model.fabric_manager).dump(3) + "\n", ""};
    const bool on = argv[i] == "-a" || argv[i] == "--activate";
    const bool off = argv[i] == "-d" || argv[i] == "--deactivate";
    if ((on || off) && i + 1 < argv.size()) return switch_partition(model.fabric_manager, on, argv[i + 1], change);
  }
  return {1, "", "fmpm: nothing to do\n"};
}

}  // namespace gpuplan::sim
