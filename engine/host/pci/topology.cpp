#include "host/pci/topology.h"

#include <optional>
#include <sstream>

#include "host/pci/pci.h"

namespace gpuplan {
namespace {

// A link's target; empty if there is none or it cannot be read.
std::string link_or_empty(FileReader& files, const std::string& path) {
  try {
    return files.read_link(path);
  } catch (const HostError& error) {
    if (error.kind() == HostError::Kind::timed_out) throw;
    return {};
  }
}

std::vector<std::string> split(const std::string& path) {
  std::vector<std::string> parts;
  std::istringstream stream(path);
  for (std::string part; std::getline(stream, part, '/');) parts.push_back(part);
  return parts;
}

}  // namespace

PciPath read_pci_path(FileReader& files, const Bdf& address) {
  PciPath path;
  for (const std::string& part : split(link_or_empty(files, sysfs_device(address)))) {
    const auto bridge = parse_bdf(part);
    if (part.rfind("pci", 0) == 0 && path.root.empty()) path.root = part;
    if (bridge && *bridge != address) path.bridges.push_back(*bridge);
  }
  return path;
}

std::map<Bdf, std::vector<std::string>> read_class_devices(FileReader& files, const std::string& device_class) {
  const std::string directory = "/sys/class/" + device_class;
  std::map<Bdf, std::vector<std::string>> devices;
  std::vector<std::string> names;
  try {
    names = files.list(directory);
  } catch (const HostError& error) {
    if (error.kind() == HostError::Kind::timed_out) throw;
    return devices;
  }
  for (const std::string& name : names) {
    std::optional<Bdf> function;
    for (const std::string& part : split(link_or_empty(files, directory + "/" + name))) {
      if (const auto address = parse_bdf(part)) function = address;
    }
    if (function) devices[*function].push_back(name);
  }
  return devices;
}

}  // namespace gpuplan
