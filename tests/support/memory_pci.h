// A PCI bus on a MemoryHost whose drivers move as the kernel's do when the bind files are written.
#pragma once

#include <fmt/format.h>

#include <map>
#include <string>

#include "support/memory_host.h"

namespace gpuplan::test {

struct MemoryFunction {
  std::string address;
  std::string vendor = "0x10de";
  std::string device = "0x2330";
  std::string class_code = "0x030200";
  std::string driver = "nvidia";
  int group = 30;                      // below 0: none
  std::string resource =
      "0x0000383000000000 0x0000383000ffffff 0x000000000014220c\n"    // BAR 0: 16 MiB, 64-bit prefetchable
      "0x0000000000000000 0x0000000000000000 0x0000000000000000\n"
      "0x0000382000000000 0x0000383fffffffff 0x000000000014220c\n";   // BAR 2: 128 GiB
  std::string reset_method = "flr bus";
};

class MemoryPci {
 public:
  explicit MemoryPci(MemoryHost& host) : host_(host) {
    host_.on_write = [this](const std::string& path, const std::string& content) { write(path, content); };
    host_.directories.insert("/sys/bus/pci/drivers/vfio-pci");
    host_.directories.insert("/proc");
  }

  // Writes of a function's BDF to unbind that never come back.
  std::set<std::string> hanging;
  // A driver that refuses every function.
  std::string refusing;

  void add(const MemoryFunction& function) {
    const std::string device = "/sys/bus/pci/devices/" + function.address;
    host_.contents[device + "/vendor"] = function.vendor + "\n";
    host_.contents[device + "/device"] = function.device + "\n";
    host_.contents[device + "/class"] = function.class_code + "\n";
    host_.contents[device + "/resource"] = function.resource;
    host_.contents[device + "/driver_override"] = "(null)\n";
    host_.contents[device + "/numa_node"] = "0\n";
    if (!function.reset_method.empty()) host_.contents[device + "/reset_method"] = function.reset_method + "\n";
    if (function.group >= 0) {
      host_.links[device + "/iommu_group"] = fmt::format("../../../kernel/iommu_groups/{}", function.group);
      host_.links[fmt::format("/sys/kernel/iommu_groups/{}/devices/{}", function.group, function.address)] = "";
    }
    defaults_[function.address] = function.driver;
    if (!function.driver.empty()) bind(function.address, function.driver);
  }

  void remove(const std::string& address) {
    const std::string device = "/sys/bus/pci/devices/" + address + "/";
    std::erase_if(host_.contents, [&](const auto& entry) { return entry.first.rfind(device, 0) == 0; });
    std::erase_if(host_.links, [&](const auto& entry) {
      return entry.first.rfind(device, 0) == 0 || entry.first.find("/devices/" + address) != std::string::npos;
    });
  }

  std::string driver(const std::string& address) const {
    const auto found = host_.links.find("/sys/bus/pci/devices/" + address + "/driver");
    return found == host_.links.end() ? "" : found->second.substr(found->second.rfind('/') + 1);
  }
  std::string override_of(const std::string& address) const {
    return host_.contents.at("/sys/bus/pci/devices/" + address + "/driver_override");
  }

  // A process with the GPU's /dev/nvidiaN open.
  void hold(const std::string& address, int pid, const std::string& command, const std::string& cgroup) {
    const std::string process = fmt::format("/proc/{}", pid);
    host_.contents[process + "/comm"] = command + "\n";
    host_.contents[process + "/cgroup"] = "0::" + cgroup + "\n";
    host_.links[fmt::format("{}/fd/{}", process, 3 + minors_.at(address))] = fmt::format("/dev/nvidia{}", minors_.at(address));
  }
  void end_process(int pid) {
    const std::string prefix = fmt::format("/proc/{}/", pid);
    const auto erase_below = [&](auto& entries) {
      for (auto entry = entries.begin(); entry != entries.end();) {
        entry = entry->first.rfind(prefix, 0) == 0 ? entries.erase(entry) : std::next(entry);
      }
    };
    erase_below(host_.contents);
    erase_below(host_.links);
  }

 private:
  void bind(const std::string& address, const std::string& driver) {
    host_.links["/sys/bus/pci/devices/" + address + "/driver"] = "../../../bus/pci/drivers/" + driver;
    host_.directories.insert("/sys/bus/pci/drivers/" + driver);
    if (driver != "nvidia") return;
    const int minor = minors_.emplace(address, static_cast<int>(minors_.size())).first->second;
    const std::string directory = "/proc/driver/nvidia/gpus/" + address;
    host_.contents[directory + "/information"] = fmt::format("Model: \t\t NVIDIA H100\nDevice Minor: \t {}\n", minor);
    host_.contents[directory + "/unbindLock"] = "0\n";
  }

  bool held(const std::string& address) const {
    const auto minor = minors_.find(address);
    return minor != minors_.end() && std::any_of(host_.links.begin(), host_.links.end(), [&](const auto& link) {
             return link.first.rfind("/proc/", 0) == 0 && link.second == fmt::format("/dev/nvidia{}", minor->second);
           });
  }

  void unbind(const std::string& path, const std::string& address) {
    // The nvidia driver waits for its clients, and is not told when they go.
    if (hanging.count(address) > 0 || (driver(address) == "nvidia" && held(address))) {
      throw HostError(HostError::Kind::timed_out, path,
                      fmt::format("cannot write {}: no answer within 60 s; the call may still be stuck in the kernel", path));
    }
    host_.links.erase("/sys/bus/pci/devices/" + address + "/driver");
    host_.contents.erase("/proc/driver/nvidia/gpus/" + address + "/information");
    host_.contents.erase("/proc/driver/nvidia/gpus/" + address + "/unbindLock");
  }

  void probe(const std::string& address) {
    if (!driver(address).empty()) return;
    const std::string forced = override_of(address);
    const std::string driver = forced == "(null)\n" ? defaults_.at(address) : forced.substr(0, forced.find('\n'));
    if (!driver.empty() && driver != refusing) bind(address, driver);
  }

  void write(const std::string& path, const std::string& content) {
    const std::string devices = "/sys/bus/pci/devices/";
    const std::string address = path.rfind(devices, 0) == 0 ? path.substr(devices.size(), 12) : content;
    const std::string name = path.substr(path.rfind('/') + 1);
    if (name == "driver_override") host_.contents[path] = content == "\n" ? "(null)\n" : content;
    else if (name == "unbind") unbind(path, address);
    else if (name == "drivers_probe") probe(content);
    else if (name == "unbindLock") host_.contents[path] = content == "1" && held(path.substr(25, 12)) ? "0\n" : content + "\n";
    else throw HostError(HostError::Kind::failed, path, "nothing here is to be written but the bind files: " + path);
  }

  MemoryHost& host_;
  std::map<std::string, std::string> defaults_;
  std::map<std::string, int> minors_;
};

}  // namespace gpuplan::test
