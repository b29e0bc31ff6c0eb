#include <fmt/format.h>

#include <algorithm>

#include "host/sim/driver_core.h"
#include "host/sim/host_commands.h"

namespace gpuplan::sim {
namespace {

const std::map<std::string, std::vector<std::string>>& dependencies() {
  static const std::map<std::string, std::vector<std::string>> table = {
      {"vfio_pci", {"vfio", "vfio_iommu_type1", "irqbypass", "vfio_pci_core"}},
      {"vfio_iommu_type1", {"vfio"}},
      {"nvidia_uvm", {"nvidia"}},
      {"nvidia_modeset", {"nvidia"}},
      {"nvidia_drm", {"nvidia", "nvidia_modeset"}}};
  return table;
}

bool available(const Model& model, const std::string& name) {
  const auto& names = model.modules_available;
  return module_loaded(model, name) || std::find(names.begin(), names.end(), name) != names.end();
}

// The drivers that a module registers.
std::vector<std::string> drivers_of(const Model& model, const std::string& module) {
  std::set<std::string> names{module == "vfio_pci" ? "vfio-pci" : ""};
  for (const Device& device : model.devices) {
    for (const std::string& driver : {device.default_driver, device.driver}) {
      if (!driver.empty() && module_of_driver(driver) == module) names.insert(driver);
    }
  }
  names.erase("");
  return {names.begin(), names.end()};
}

bool module_in_use(const Model& model, const std::string& name) {
  for (const auto& [user, needs] : dependencies()) {
    const auto& loaded = model.modules_loaded;
    const bool needed = std::find(needs.begin(), needs.end(), name) != needs.end();
    if (needed && std::find(loaded.begin(), loaded.end(), user) != loaded.end()) return true;
  }
  for (const Device& device : model.devices) {
    if (device.driver.empty() || module_of_driver(device.driver) != name) continue;
    if (!holders_of(model, device).empty()) return true;
    if (device.driver == "vfio-pci" && domain_using(model, device.address) != nullptr) return true;
  }
  return false;
}

CommandResult unload(Model& model, const std::string& name, const MayChange& change, bool& hangs) {
  const auto loaded = std::find(model.modules_loaded.begin(), model.modules_loaded.end(), name);
  const auto& builtin = model.modules_builtin;
  if (std::find(builtin.begin(), builtin.end(), name) != builtin.end()) {
    return {1, "", fmt::format("modprobe: FATAL: Module {} is builtin.\n", name)};
  }
  if (loaded == model.modules_loaded.end()) return {0, "", ""};
  if (module_in_use(model, name)) return {1, "", fmt::format("modprobe: FATAL: Module {} is in use.\n", name)};
  change();
  for (const std::string& driver : drivers_of(model, name)) {
    if (detach_all(model, driver).hangs) {
      hangs = true;
      return {};
    }
  }
  model.modules_loaded.erase(loaded);
  model.modules_available.push_back(name);
  return {};
}

}  // namespace

void load_module(Model& model, const std::string& name) {
  if (module_loaded(model, name)) return;
  const auto needs = dependencies().find(name);
  if (needs != dependencies().end()) {
    for (const std::string& need : needs->second) load_module(model, need);
  }
  model.modules_loaded.push_back(name);
  auto& names = model.modules_available;
  names.erase(std::remove(names.begin(), names.end(), name), names.end());
  for (const std::string& driver : drivers_of(model, name)) attach_all(model, driver);
}

// modprobe [-r] [-n|--dry-run] [-q] NAME…
CommandResult run_modprobe(Model& model, const std::vector<std::string>& argv, const MayChange& change, bool& hangs) {
  bool remove = false;
  bool dry_run = false;
  std::vector<std::string> names;
  for (std::size_t i = 1; i < argv.size(); ++i) {
    const std::string& word = argv[i];
    if (word == "-r" || word == "--remove") remove = true;
    else if (word == "-n" || word == "--dry-run" || word == "--show-depends") dry_run = true;
    else if (word == "-q" || word == "-v" || word == "--" || word == "-a") continue;
    else if (names.empty() || argv[1] == "-a") names.push_back(word);  // further words are parameters
  }
  for (std::string name : names) {
    std::replace(name.begin(), name.end(), '-', '_');
    if (!available(model, name)) {
      return {1, "", fmt::format("modprobe: FATAL: Module {} not found in directory /lib/modules/{}\n", name, model.os.kernel)};
    }
    if (dry_run) continue;
    if (remove) {
      CommandResult result = unload(model, name, change, hangs);
      if (!result.ok() || hangs) return result;
    } else {
      change();
      load_module(model, name);
    }
  }
  return {};
}

}  // namespace gpuplan::sim
