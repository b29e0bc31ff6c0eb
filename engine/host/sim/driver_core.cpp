#include "host/sim/driver_core.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <sstream>

#include "host/sim/model_yaml.h"

namespace gpuplan::sim {
namespace {

constexpr std::size_t page_size = 4096;
const std::string vfio = "vfio-pci";

bool has_id(const Model& model, const std::string& driver, const PciId& id) {
  const auto ids = model.dynamic_ids.find(driver);
  if (ids == model.dynamic_ids.end()) return false;
  return std::find(ids->second.begin(), ids->second.end(), id.to_string()) != ids->second.end();
}

// pci_match_device: an override excludes every other driver, and matches without any identifier.
bool matches(const Model& model, const Device& device, const std::string& driver) {
  if (!device.driver_override.empty()) return device.driver_override == driver;
  return device.default_driver == driver || has_id(model, driver, device.id);
}

bool group_given_to_domain(const Model& model, const Device& device) {
  if (!device.iommu_group) return false;
  const auto members = group_members(model, *device.iommu_group);
  return std::any_of(members.begin(), members.end(), [&](const Device* member) {
    return member->address != device.address && domain_using(model, member->address) != nullptr;
  });
}

// The driver's own answer once it matches.
int probe(Model& model, Device& device, const std::string& driver) {
  if (driver == vfio) {
    if (device.is_bridge()) return EINVAL;                              // header type is not normal
    if (!device.iommu_group || !model.iommu.enabled) return EINVAL;     // no group, no vfio device
    if (device.virtual_functions > 0) return EBUSY;
  } else if (group_given_to_domain(model, device)) {
    return EBUSY;  // the group's DMA belongs to a user of vfio
  }
  device.driver = driver;
  device.unbind_lock = false;
  // vfio_pci_core_register_device lets the device sleep until somebody opens it.
  if (driver == vfio) device.may_sleep = true;
  return 0;
}

// __device_attach: the first registered driver that matches and accepts the function.
void attach(Model& model, Device& device) {
  for (const std::string& driver : registered_drivers(model)) {
    if (matches(model, device, driver) && probe(model, device, driver) == 0) return;
  }
}

WriteResult release(Model& model, Device& device) {
  if (device.hangs) {
    device.stuck = true;
    return {0, true};
  }
  if (!holders_of(model, device).empty()) {
    // nv_pci_remove waits for usage 0 and is not told when its clients go away; snd_card_free waits likewise.
    device.stuck = true;
    return {0, true};
  }
  if (device.driver == vfio && domain_using(model, device.address) != nullptr) {
    device.waits_for_release = true;
    return {0, true};
  }
  if (device.driver == vfio) device.may_sleep = false;
  device.driver.clear();
  device.unbind_lock = false;
  device.persistence = false;
  device.virtual_functions = 0;
  return {};
}

// Whoever wants the device's lock waits behind an unbind that hangs.
bool lock_is_taken(const Device& device) { return device.stuck || device.waits_for_release; }

struct Ids {
  std::string id;
  bool ok = false;
};

Ids read_ids(const std::string& text) {
  std::istringstream words(text);
  std::string vendor;
  std::string device;
  if (!(words >> vendor >> device)) return {};
  const auto id = read_pci_id(fmt::format("{:0>4}:{:0>4}", vendor, device));
  if (!id) return {};
  return {id->to_string(), true};
}

}  // namespace

WriteResult write_driver_override(Model&, Device& device, const std::string& text) {
  if (text.empty()) return {};  // sysfs_kf_write drops it: only a line end clears
  if (text.size() >= page_size - 1) return {EINVAL, false};
  if (lock_is_taken(device)) return {0, true};
  device.driver_override = text.substr(0, text.find('\n'));
  return {};
}

WriteResult write_bind(Model& model, const std::string& driver, const std::string& text) {
  Device* device = model.device_named(text);
  if (device == nullptr || !matches(model, *device, driver)) return {ENODEV, false};
  if (lock_is_taken(*device)) return {0, true};
  if (!device->driver.empty()) return {EBUSY, false};
  return {probe(model, *device, driver), false};
}

WriteResult write_unbind(Model& model, const std::string& driver, const std::string& text) {
  Device* device = model.device_named(text);
  if (device == nullptr || device->driver != driver) return {ENODEV, false};
  if (lock_is_taken(*device)) return {0, true};
  return release(model, *device);
}

WriteResult write_drivers_probe(Model& model, const std::string& text) {
  Device* device = model.device_named(text);
  if (device == nullptr) return {ENODEV, false};
  if (lock_is_taken(*device)) return {0, true};
  // No driver, or one that refuses, is not an error here.
  if (device->driver.empty()) attach(model, *device);
  return {};
}

WriteResult write_new_id(Model& model, const std::string& driver, const std::string& text) {
  const Ids ids = read_ids(text);
  if (!ids.ok) return {EINVAL, false};
  auto& known = model.dynamic_ids[driver];
  if (std::find(known.begin(), known.end(), ids.id) != known.end()) return {EEXIST, false};
  known.push_back(ids.id);
  attach_all(model, driver);
  return {};
}

WriteResult write_remove_id(Model& model, const std::string& driver, const std::string& text) {
  const Ids ids = read_ids(text);
  if (!ids.ok) return {EINVAL, false};
  auto& known = model.dynamic_ids[driver];
  const auto found = std::find(known.begin(), known.end(), ids.id);
  if (found == known.end()) return {ENODEV, false};
  known.erase(found);
  return {};
}

WriteResult write_sriov_numvfs(Device& device, const std::string& text) {
  int count = 0;
  const auto end = std::from_chars(text.data(), text.data() + text.size(), count);
  if (end.ec != std::errc{} || count < 0) return {EINVAL, false};
  if (lock_is_taken(device)) return {0, true};
  if (count == device.virtual_functions) return {};
  if (device.driver.empty()) return {ENOENT, false};
  if (count > 0 && device.virtual_functions > 0) return {EBUSY, false};
  if (count > 0 && device.driver == vfio) return {ENOENT, false};
  device.virtual_functions = count;
  return {};
}

// control_store of drivers/base/power/sysfs.c.
WriteResult write_power_control(Device& device, const std::string& text) {
  const std::string word = text.substr(0, text.find('\n'));
  if (word != "on" && word != "auto") return {EINVAL, false};
  if (lock_is_taken(device)) return {0, true};
  device.may_sleep = word == "auto";
  return {};
}

WriteResult write_unbind_lock(const Model& model, Device& device, const std::string& text) {
  int value = 0;
  const auto end = std::from_chars(text.data(), text.data() + text.size(), value);
  // The driver looks at the text when the file is closed, so the write itself always works.
  if (end.ec != std::errc{}) return {};
  if (value == 1 && holders_of(model, device).empty()) device.unbind_lock = true;
  if (value == 0) device.unbind_lock = false;
  return {};
}

void attach_all(Model& model, const std::string& driver) {
  if (!driver_registered(model, driver)) return;
  for (Device& device : model.devices) {
    if (!device.driver.empty() || lock_is_taken(device) || !matches(model, device, driver)) continue;
    probe(model, device, driver);
  }
}

WriteResult detach_all(Model& model, const std::string& driver) {
  for (Device& device : model.devices) {
    if (device.driver != driver) continue;
    const WriteResult result = lock_is_taken(device) ? WriteResult{0, true} : release(model, device);
    if (result.hangs) return result;
  }
  return {};
}

}  // namespace gpuplan::sim
