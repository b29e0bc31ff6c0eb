#include "host/sim/model.h"

#include <fmt/format.h>

#include <algorithm>

#include "host/xml/domain_xml.h"

namespace gpuplan::sim {

bool Device::is_gpu() const {
  const std::uint32_t kind = class_code >> 8U;
  return kind == 0x0300 || kind == 0x0302 || kind == 0x0380 || kind == 0x1200;
}

bool Device::is_bridge() const { return (class_code >> 8U) == 0x0604 || (class_code >> 8U) == 0x0600; }

bool Device::is_nvswitch() const { return id.vendor == 0x10de && (class_code >> 8U) == 0x0680; }

namespace {

template <class Items>
auto named(Items& items, const std::string& name) -> decltype(&items.front()) {
  for (auto& item : items) {
    if (item.name == name) return &item;
  }
  return nullptr;
}

bool holds(const std::vector<std::string>& words, const std::string& word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

std::string module_name(std::string name) {
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

}  // namespace

const Device* Model::device(const Bdf& address) const {
  const auto found = std::lower_bound(devices.begin(), devices.end(), address,
                                      [](const Device& device, const Bdf& wanted) { return device.address < wanted; });
  return found != devices.end() && found->address == address ? &*found : nullptr;
}

Device* Model::device(const Bdf& address) { return const_cast<Device*>(std::as_const(*this).device(address)); }

const Device* Model::device_named(const std::string& text) const {
  std::string_view name = text;
  if (!name.empty() && name.back() == '\n') name.remove_suffix(1);
  constexpr std::size_t sysfs_length = 12;  // the kernel knows no short form, and no upper case
  const auto address = parse_bdf(name);
  return address && name.size() == sysfs_length && address->to_string() == name ? device(*address) : nullptr;
}

Device* Model::device_named(const std::string& text) {
  return const_cast<Device*>(std::as_const(*this).device_named(text));
}

Domain* Model::domain(const std::string& name) { return named(domains, name); }
const Domain* Model::domain(const std::string& name) const { return named(domains, name); }
Network* Model::network(const std::string& name) { return named(networks, name); }
Pool* Model::pool(const std::string& name) { return named(pools, name); }

std::string Model::volume_path(const Pool& pool, const Volume& volume) const { return pool.path + "/" + volume.name; }

Volume* Model::volume_at(const std::string& path) {
  for (Pool& candidate : pools) {
    for (Volume& volume : candidate.volumes) {
      if (volume_path(candidate, volume) == path) return &volume;
    }
  }
  return nullptr;
}

bool package_installed(const Model& model, const std::string& name) {
  return std::any_of(model.packages.begin(), model.packages.end(), [&](const std::string& package) {
    return package == name || package.compare(0, name.size() + 1, name + "-") == 0;
  });
}

bool module_loaded(const Model& model, const std::string& name) {
  return holds(model.modules_loaded, module_name(name)) || holds(model.modules_builtin, module_name(name));
}

std::string module_of_driver(const std::string& driver) {
  if (driver == "nvidia-nvswitch") return "nvidia";  // which registers the drivers of GPUs and of NVSwitches
  if (driver == "nvidia-gpu") return "i2c_nvidia_gpu";
  return module_name(driver);
}

bool driver_registered(const Model& model, const std::string& driver) {
  if (driver.empty() || !module_loaded(model, module_of_driver(driver))) return false;
  if (driver == "vfio-pci") return true;
  return std::any_of(model.devices.begin(), model.devices.end(),
                     [&](const Device& device) { return device.default_driver == driver || device.driver == driver; });
}

std::vector<std::string> registered_drivers(const Model& model) {
  std::set<std::string> names;
  for (const Device& device : model.devices) {
    for (const std::string& driver : {device.default_driver, device.driver}) {
      if (driver_registered(model, driver)) names.insert(driver);
    }
  }
  if (driver_registered(model, "vfio-pci")) names.insert("vfio-pci");
  return {names.begin(), names.end()};
}

std::string device_file_of(const Device& device) {
  if (device.driver != "nvidia" || device.minor < 0) return {};
  return fmt::format("/dev/nvidia{}", device.minor);
}

std::vector<std::string> sound_files_of(const Device& device) {
  std::vector<std::string> files;
  if (device.driver.empty() || device.driver == "vfio-pci") return files;
  for (const std::string& name : device.sound) files.push_back("/dev/snd/" + name);
  return files;
}

std::vector<std::string> device_files(const Model& model) {
  std::set<std::string> files;
  if (model.cpu.virtualization && module_loaded(model, "kvm")) files.insert("/dev/kvm");
  if (module_loaded(model, "vfio")) files.insert("/dev/vfio/vfio");
  if (module_loaded(model, "nvidia")) files.insert("/dev/nvidiactl");
  int switches = 0;
  for (const Device& device : model.devices) {
    if (device.driver == "vfio-pci" && device.iommu_group) {
      files.insert(fmt::format("/dev/vfio/{}", *device.iommu_group));
    }
    const std::string own = device_file_of(device);
    if (!own.empty()) files.insert(own);
    if (device.is_nvswitch() && device.driver == "nvidia-nvswitch") {
      files.insert(fmt::format("/dev/nvidia-nvswitch{}", switches++));
      files.insert("/dev/nvidia-nvswitchctl");
    }
    for (const std::string& sound : sound_files_of(device)) files.insert(sound);
    for (const std::string& disk : device.block) {
      if (!device.driver.empty() && device.driver != "vfio-pci") files.insert("/dev/" + disk);
    }
  }
  return {files.begin(), files.end()};
}

bool device_file_exists(const Model& model, const std::string& path) { return holds(device_files(model), path); }

bool process_runs(const Model& model, const Process& process) {
  const auto service = model.services.find(process.unit);
  return service == model.services.end() || service->second.active;
}

std::vector<const Process*> holders_of(const Model& model, const Device& device) {
  std::vector<const Process*> result;
  std::vector<std::string> files = sound_files_of(device);
  if (const std::string file = device_file_of(device); !file.empty()) files.push_back(file);
  for (const Process& process : model.processes) {
    const bool has_one = std::any_of(files.begin(), files.end(),
                                     [&](const std::string& file) { return holds(process.files, file); });
    if (process_runs(model, process) && has_one) result.push_back(&process);
  }
  return result;
}

const Domain* domain_using(const Model& model, const Bdf& address) {
  for (const Domain& domain : model.domains) {
    if (domain.power != PowerState::running) continue;
    const auto definition = parse_domain(domain.running_xml);
    if (!definition) continue;
    const auto& devices = definition->devices;
    if (std::find(devices.begin(), devices.end(), address) != devices.end()) return &domain;
  }
  return nullptr;
}

bool fabric_lets_cuda_start(const Model& model, const Domain& domain) {
  const auto definition = parse_domain(domain.running_xml);
  if (!definition) return false;
  std::set<int> modules;
  for (const Bdf& address : definition->devices) {
    const Device* device = model.device(address);
    if (device != nullptr && device->is_gpu() && device->module_id != 0) modules.insert(device->module_id);
  }
  if (modules.empty()) return true;
  if (model.fabric_manager.mode != "shared") return modules.size() == 1;  // without NVLink
  const auto& partitions = model.fabric_manager.partitions;
  return std::any_of(partitions.begin(), partitions.end(), [&](const Partition& partition) {
    return partition.active && std::set<int>(partition.modules.begin(), partition.modules.end()) == modules;
  });
}

std::vector<const Device*> group_members(const Model& model, int group) {
  std::vector<const Device*> members;
  for (const Device& device : model.devices) {
    if (device.iommu_group == group) members.push_back(&device);
  }
  return members;
}

void domain_stopped(Model& model, Domain& domain) {
  const auto definition = parse_domain(domain.running_xml);
  domain.power = PowerState::off;
  domain.running_xml.clear();
  domain.started_at = 0;
  domain.off_at = 0;
  if (!definition) return;
  for (const Bdf& address : definition->devices) {
    Device* device = model.device(address);
    if (device == nullptr || !device->waits_for_release) continue;
    device->waits_for_release = false;
    device->driver.clear();
  }
}

void settle(Model& model, std::int64_t now) {
  for (std::size_t i = model.domains.size(); i-- > 0;) {
    Domain& domain = model.domains[i];
    if (domain.power == PowerState::running && domain.off_at != 0 && domain.off_at <= now) {
      domain_stopped(model, domain);
    }
    if (domain.power != PowerState::running && !domain.persistent) {
      model.domains.erase(model.domains.begin() + static_cast<std::ptrdiff_t>(i));
    }
  }
}

bool guest_booted(const Model& model, const Domain& domain, std::int64_t now) {
  return domain.power == PowerState::running && now >= domain.started_at + model.boot_seconds &&
         !holds(model.unreachable_guests, domain.name);
}

bool guest_has_network(const Model& model, const std::string& domain) {
  return !holds(model.guests_without_network, domain);
}

std::int64_t total_memory_mib(const Model& model) {
  std::int64_t sum = 0;
  for (const NumaNode& node : model.numa) sum += node.memory_mib;
  return sum;
}

std::int64_t free_memory_mib(const Model& model) {
  std::int64_t left = total_memory_mib(model) - model.memory_used_mib;
  for (const NumaNode& node : model.numa) left -= node.hugepages_2m * 2 + node.hugepages_1g * 1024;
  for (const Domain& domain : model.domains) {
    if (domain.power != PowerState::running) continue;
    const auto definition = parse_domain(domain.running_xml);
    if (definition && definition->hugepages == "none") left -= definition->memory_mib;
  }
  return std::max<std::int64_t>(left, 0);
}

std::int64_t free_hugepages(const Model& model, std::size_t node, bool gigantic) {
  if (node >= model.numa.size()) return 0;
  std::int64_t left = gigantic ? model.numa[node].hugepages_1g : model.numa[node].hugepages_2m;
  const std::int64_t page_mib = gigantic ? 1024 : 2;
  for (const Domain& domain : model.domains) {
    if (domain.power != PowerState::running) continue;
    const auto definition = parse_domain(domain.running_xml);
    if (!definition || definition->hugepages != (gigantic ? "1G" : "2M")) continue;
    const std::int64_t pages = (definition->memory_mib + page_mib - 1) / page_mib;
    // Without a binding the kernel spreads the pages over all nodes.
    if (!definition->numa_node) left -= pages / static_cast<std::int64_t>(model.numa.size());
    else if (static_cast<std::size_t>(*definition->numa_node) == node) left -= pages;
  }
  return std::max<std::int64_t>(left, 0);
}

}  // namespace gpuplan::sim
