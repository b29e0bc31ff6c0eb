// The services and programs that come with NVIDIA's driver.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

namespace gpuplan {

// Units that have GPUs open only to watch over them: they may stop while the GPUs are away.
inline constexpr std::array<std::string_view, 4> watching_services = {"nvidia-persistenced.service", "nvidia-dcgm.service",
                                                                      "dcgm.service", "dcgm-exporter.service"};
// Units that a server with such GPUs usually has.
inline constexpr std::array<const char*, 3> driver_services = {"nvidia-fabricmanager.service", "nvidia-persistenced.service",
                                                               "nvidia-dcgm.service"};

// A package, and a command that changes nothing by which it shows that it is there.
struct PackagedProgram {
  std::string package;
  std::vector<std::string> argv;
};
std::vector<PackagedProgram> driver_programs();  // by which its packages show. Pure

}  // namespace gpuplan
