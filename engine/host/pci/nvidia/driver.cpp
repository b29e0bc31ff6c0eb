#include "host/pci/nvidia/driver.h"

#include <fmt/format.h>

#include <charconv>
#include <sstream>

#include "host/pci/nvidia/device.h"
#include "host/pci/nvidia/smi.h"
#include "report/diagnostic.h"

namespace gpuplan {
namespace {

constexpr std::uint16_t vendor = 0x10DE;
constexpr const char* driver = "nvidia";
constexpr const char* device_file = "/dev/nvidia";  // and the minor

std::string directory_of(const Bdf& gpu) { return "/proc/driver/nvidia/gpus/" + gpu.to_string(); }

// "NVIDIA H100 80GB HBM3" for "Model" of the lines "Model: \t\t NVIDIA H100 80GB HBM3"; empty if no line has the key.
std::string information(FileReader& files, const Bdf& gpu, std::string_view key) {
  std::istringstream lines(read_trimmed(files, directory_of(gpu) + "/information").value_or(""));
  for (std::string line; std::getline(lines, line);) {
    const std::size_t colon = line.find(':');
    const std::size_t begin = line.find_first_not_of(" \t");
    if (colon == std::string::npos || line.compare(begin, key.size(), key) != 0) continue;
    const std::size_t value = line.find_first_not_of(" \t", colon + 1);
    return value == std::string::npos ? "" : line.substr(value, line.find_last_not_of(" \t\r") - value + 1);
  }
  return {};
}

// Digits; nothing if the driver does not say.
std::optional<std::string> device_minor(FileReader& files, const Bdf& gpu) {
  const std::string minor = information(files, gpu, "Device Minor");
  if (minor.empty() || minor.find_first_not_of("0123456789") != std::string::npos) return std::nullopt;
  return minor;
}

}  // namespace

bool is_nvswitch(const PciId& id, std::uint32_t class_code) { return id.vendor == vendor && class_code >> 8U == 0x0680; }

void add_driver_files(FileReader& files, const PciFunction& function, DeviceFiles& found,
                      std::vector<std::string>& unreadable) {
  if (function.driver != driver) return;
  if (const auto minor = device_minor(files, function.address)) {
    found.endings.push_back(device_file + *minor);
    return;
  }
  found.any_number_of = device_file;
  unreadable.push_back(fmt::format("which {}N belongs to {} is unknown (no \"Device Minor\" in {}/information)", device_file,
                                   function.address.to_string(), directory_of(function.address)));
}

bool is_usual_gpu(const PciFunction& function) { return function.is_gpu() && function.id.vendor == vendor; }

std::string usual_driver(const PciFunction& function) { return is_usual_gpu(function) ? driver : ""; }

std::string driver_model(FileReader& files, const PciFunction& function) {
  if (function.driver != driver) return {};
  const std::string model = information(files, function.address, "Model");
  return model == "Unknown" ? "" : printable(model);
}

std::optional<std::string> unbind_lock(const PciFunction& function) {
  if (function.driver != driver) return std::nullopt;
  return directory_of(function.address) + "/unbindLock";
}

std::string why_unbind_lock_is_refused(const Bdf& gpu) {
  return fmt::format("no process has it open, so a part of the kernel does (a console of nvidia-drm, nvidia-peermem) or a "
                     "CUDA job that hangs: `nvidia-smi -q -i {}` and `dmesg | tail` may tell which; end that and run "
                     "gpuplan again, or reboot this host",
                     gpu.to_string());
}

std::optional<DriverState> read_driver_state(HostReader& host, const PciFunction& function) {
  const auto lock = unbind_lock(function);
  if (!lock) return std::nullopt;
  DriverState state;
  if (const auto minor = device_minor(host.files(), function.address)) {
    int number = 0;
    const auto [end, error] = std::from_chars(minor->data(), minor->data() + minor->size(), number);
    if (error == std::errc()) state.minor = number;
  }
  state.is_locked = read_trimmed(host.files(), *lock) == "1";
  const GpuDescription description = describe_gpu(host, function.address);
  state.persistence = description.persistence == "Enabled";
  state.mig = description.mig == "Enabled";
  state.fabric = description.fabric;
  return state;
}

}  // namespace gpuplan
