// The device files by which processes have a function open: for the readers of host/pci.
#pragma once

#include <string>
#include <vector>

namespace gpuplan {

struct DeviceFiles {
  // How their paths end: containers see them below other roots ("/run/nvidia/driver/dev/nvidia0").
  std::vector<std::string> endings;
  // "/dev/nvidia" if the number behind it is unknown: then every number counts. Empty: none.
  std::string any_number_of;

  bool empty() const { return endings.empty() && any_number_of.empty(); }
  bool matches(const std::string& path) const;
};

}  // namespace gpuplan
