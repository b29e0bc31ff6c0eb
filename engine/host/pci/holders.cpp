#include <fmt/format.h>

#include <algorithm>
#include <sstream>

#include "host/pci/device_files.h"
#include "host/pci/nvidia/device.h"
#include "host/pci/pci.h"
#include "report/diagnostic.h"

namespace gpuplan {
namespace {

bool is_number(const std::string& text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string::npos;
}

// Names in a directory; none if it is absent or cannot be read.
std::vector<std::string> list_if_present(FileReader& files, const std::string& path) {
  try {
    return files.list(path);
  } catch (const HostError& error) {
    if (error.kind() == HostError::Kind::timed_out) throw;
    return {};
  }
}

DeviceFiles device_files(FileReader& files, const PciFunction& function, std::vector<std::string>& unreadable) {
  DeviceFiles result;
  const std::string device = sysfs_device(function.address);
  add_driver_files(files, function, result, unreadable);
  if (function.driver == "vfio-pci") {
    if (function.iommu_group) result.endings.push_back(fmt::format("/dev/vfio/{}", *function.iommu_group));
    for (const std::string& name : list_if_present(files, device + "/vfio-dev")) {
      result.endings.push_back("/dev/vfio/devices/" + name);
    }
  }
  for (const std::string& name : list_if_present(files, device + "/drm")) {
    if (name.rfind("card", 0) == 0 || name.rfind("renderD", 0) == 0) result.endings.push_back("/dev/dri/" + name);
  }
  for (const std::string& name : list_if_present(files, device + "/accel")) result.endings.push_back("/dev/accel/" + name);
  // snd_card_free waits until the last of them is closed, and the unbind with it.
  for (const std::string& card : list_if_present(files, device + "/sound")) {
    for (const std::string& name : list_if_present(files, device + "/sound/" + card)) {
      for (const char* kind : {"controlC", "pcmC", "hwC", "midiC"}) {
        if (name.rfind(kind, 0) == 0) result.endings.push_back("/dev/snd/" + name);
      }
    }
  }
  return result;
}

// Of a class of devices, those that sit below the function: sysfs links lead to where they hang.
std::vector<std::string> names_below(FileReader& files, const std::string& device_class, const Bdf& function) {
  std::vector<std::string> names;
  const std::string directory = "/sys/class/" + device_class;
  const std::string part = fmt::format("/{}/", function.to_string());
  for (const std::string& name : list_if_present(files, directory)) {
    try {
      const std::string target = files.read_link(directory + "/" + name);
      if (target.find(part) != std::string::npos) names.push_back(name);
    } catch (const HostError& error) {
      if (error.kind() == HostError::Kind::timed_out) throw;  // anything else: unplugged in the meantime
    }
  }
  return names;
}

// The second column of a line of /proc/mounts or /proc/swaps whose first is the device.
std::optional<std::string> second_column(FileReader& files, const std::string& table, const std::string& device) {
  std::istringstream lines(read_trimmed(files, table).value_or(""));
  for (std::string line; std::getline(lines, line);) {
    std::istringstream columns(line);
    std::string first, second;
    if (columns >> first >> second && first == device) return printable(second);
  }
  return std::nullopt;
}

bool ends_with(const std::string& text, std::string_view ending) {
  return text.size() >= ending.size() && text.compare(text.size() - ending.size(), ending.size(), ending) == 0;
}

// The unit of the system's systemd in a cgroup path such as "0::/system.slice/docker.service". Below a
// user's session only the outermost counts: the units in it are not the system's. A container without
// a unit is named by the beginning of its identifier.
std::string unit_of(FileReader& files, const std::string& process) {
  const auto text = read_trimmed(files, process + "/cgroup");
  std::string unit;
  std::istringstream lines(text.value_or(""));
  for (std::string line; std::getline(lines, line) && unit.empty();) {
    const bool of_user = line.find("/user.slice/") != std::string::npos;
    std::istringstream parts(line);
    std::string part;
    while (std::getline(parts, part, '/')) {
      const bool names_unit = ends_with(part, ".service") || ends_with(part, ".scope");
      if (names_unit && !(of_user && !unit.empty())) unit = part;
    }
    const bool is_container = part.size() == 64 && part.find_first_not_of("0123456789abcdef") == std::string::npos;
    if (unit.empty() && is_container) unit = "container " + part.substr(0, 12);
  }
  return printable(unit);
}

// The first open file of a process that belongs to the device; empty if there is none.
std::string open_device_file(FileReader& files, const std::string& process, const DeviceFiles& devices) {
  const std::string directory = process + "/fd";
  for (const std::string& descriptor : files.list(directory)) {
    try {
      const std::string target = files.read_link(directory + "/" + descriptor);
      if (devices.matches(target)) return target;
    } catch (const HostError& error) {
      // Anything else: closed, or the process ended, in the meantime.
      if (error.kind() == HostError::Kind::denied || error.kind() == HostError::Kind::timed_out) throw;
    }
  }
  return {};
}

std::vector<DeviceHolder> holders_of(FileReader& files, const DeviceFiles& devices, const Bdf& function,
                                     std::vector<std::string>& unreadable) {
  std::vector<DeviceHolder> holders;
  if (devices.empty()) return holders;
  std::size_t denied = 0;
  for (const std::string& name : list_if_present(files, "/proc")) {
    if (!is_number(name) || name.size() > 10) continue;
    const std::string process = "/proc/" + name;
    try {
      const std::string file = open_device_file(files, process, devices);
      if (file.empty()) continue;
      DeviceHolder holder;
      holder.pid = std::stoll(name);
      holder.command = printable(read_trimmed(files, process + "/comm").value_or(""));
      holder.unit = unit_of(files, process);
      holder.file = printable(file);
      holders.push_back(std::move(holder));
    } catch (const HostError& error) {
      if (error.kind() == HostError::Kind::timed_out) throw;
      if (error.kind() == HostError::Kind::denied) ++denied;  // anything else: the process ended in the meantime
    }
  }
  if (denied > 0) {
    unreadable.push_back(fmt::format("the open files of {} may not be read, so whether {} uses {} is unknown",
                                     denied == 1 ? "1 process" : fmt::format("{} processes", denied),
                                     denied == 1 ? "it" : "one of them", function.to_string()));
  }
  std::sort(holders.begin(), holders.end(),
            [](const DeviceHolder& a, const DeviceHolder& b) { return a.pid < b.pid; });
  return holders;
}

}  // namespace

bool DeviceFiles::matches(const std::string& path) const {
  const auto ends_path = [&](const std::string& ending) { return ends_with(path, ending); };
  if (std::any_of(endings.begin(), endings.end(), ends_path)) return true;
  const std::size_t at = any_number_of.empty() ? std::string::npos : path.rfind(any_number_of);
  return at != std::string::npos && is_number(path.substr(at + any_number_of.size()));
}

std::vector<DeviceHolder> read_holders(FileReader& files, const PciFunction& function,
                                       std::vector<std::string>& unreadable) {
  return holders_of(files, device_files(files, function, unreadable), function.address, unreadable);
}

std::vector<DeviceHolder> read_input_holders(FileReader& files, const PciFunction& function,
                                             std::vector<std::string>& unreadable) {
  DeviceFiles devices;
  if (!function.is_usb_controller()) return {};
  for (const std::string& name : names_below(files, "input", function.address)) {
    if (name.rfind("input", 0) != 0) devices.endings.push_back("/dev/input/" + name);  // eventN, mouseN, jsN
  }
  for (const std::string& name : names_below(files, "hidraw", function.address)) {
    devices.endings.push_back("/dev/" + name);
  }
  return holders_of(files, devices, function.address, unreadable);
}

std::vector<UsedDisk> read_used_disks(FileReader& files, const PciFunction& function) {
  std::vector<UsedDisk> used;
  if (!function.is_usb_controller()) return used;
  for (const std::string& name : names_below(files, "block", function.address)) {
    const std::string device = "/dev/" + name;
    if (const auto path = second_column(files, "/proc/mounts", device)) {
      used.push_back({name, "is mounted on " + *path, "/proc/mounts"});
    } else if (second_column(files, "/proc/swaps", device)) {
      used.push_back({name, "is swap space", "/proc/swaps"});
    }
    // RAID, LVM and encryption stand on it.
    const std::string holders = "/sys/class/block/" + name + "/holders";
    for (const std::string& holder : list_if_present(files, holders)) {
      used.push_back({name, "is part of " + printable(holder), holders});
    }
  }
  return used;
}

}  // namespace gpuplan
