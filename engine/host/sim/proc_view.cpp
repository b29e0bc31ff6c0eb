#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "host/sim/view.h"
#include "host/xml/domain_xml.h"
#include "spec/network_range.h"

namespace gpuplan::sim {
namespace {

constexpr std::int64_t first_qemu_pid = 20'001;

std::vector<std::pair<int, std::size_t>> processors(const Model& model) {
  std::vector<std::pair<int, std::size_t>> numbers;
  for (std::size_t node = 0; node < model.numa.size(); ++node) {
    for (const int cpu : read_cpu_list(model.numa[node].cpus)) numbers.emplace_back(cpu, node);
  }
  std::sort(numbers.begin(), numbers.end());
  return numbers;
}

std::string cpuinfo(const Model& model) {
  const bool intel = model.cpu.vendor == "GenuineIntel";
  std::string flags = "fpu vme de pse tsc msr pae mce cx8 apic sep mtrr pge mca cmov pat sse sse2 ht syscall nx pdpe1gb lm";
  if (model.cpu.virtualization) flags += intel ? " vmx" : " svm";
  if (model.cpu.hypervisor) flags += " hypervisor";
  std::string out;
  for (const auto& [cpu, node] : processors(model)) {
    out += fmt::format(
        "processor\t: {}\nvendor_id\t: {}\ncpu family\t: {}\nmodel name\t: {}\nphysical id\t: {}\n"
        "flags\t\t: {}\naddress sizes\t: {} bits physical, {} bits virtual\n\n",
        cpu, model.cpu.vendor, intel ? 6 : 25, model.cpu.model, node, flags, model.cpu.physical_bits,
        model.cpu.virtual_bits);
  }
  return out;
}

std::string meminfo(const Model& model) {
  std::int64_t pages = 0;
  std::int64_t free_pages = 0;
  for (std::size_t node = 0; node < model.numa.size(); ++node) {
    pages += model.numa[node].hugepages_2m;
    free_pages += free_hugepages(model, node, false);
  }
  const std::int64_t free = free_memory_mib(model) * 1024;
  return fmt::format(
      "MemTotal:       {} kB\nMemFree:        {} kB\nMemAvailable:   {} kB\nSwapTotal:      0 kB\nSwapFree:       0 kB\n"
      "HugePages_Total:   {}\nHugePages_Free:    {}\nHugepagesize:       2048 kB\n",
      total_memory_mib(model) * 1024, free, free, pages, free_pages);
}

// On Intel the kernel remaps interrupts even where it uses the IOMMU for nothing else. Source: Linux
// drivers/iommu/intel/irq_remapping.c.
bool remaps_interrupts(const Model& model) {
  if (!model.iommu.interrupt_remapping || model.iommu.table == "none") return false;
  return model.iommu.enabled || model.iommu.table == "DMAR";
}

// Source: Linux Documentation/filesystems/proc.rst; the chip is "IR-PCI-MSI" when remapped.
std::string interrupts(const Model& model) {
  const std::string prefix = remaps_interrupts(model) ? "IR-" : "";
  std::string out = "            CPU0\n   8:          0  " + prefix + "IO-APIC    8-edge      rtc0\n";
  int number = 24;
  for (const Device& device : model.devices) {
    if (device.driver.empty() || device.is_bridge()) continue;
    out += fmt::format("{:4}:       1042  {}PCI-MSIX-{}    0-edge      {}\n", number++, prefix,
                       device.address.to_string(), device.driver);
  }
  return out + " NMI:          0   Non-maskable interrupts\n";
}

std::string loaded_modules(const Model& model) {
  std::string out;
  for (const std::string& name : model.modules_loaded) out += name + " 65536 0 - Live 0x0000000000000000\n";
  return out;
}

std::string little_endian(std::uint32_t address) {
  return fmt::format("{:02X}{:02X}{:02X}{:02X}", address & 0xffU, (address >> 8U) & 0xffU, (address >> 16U) & 0xffU,
                     address >> 24U);
}

std::string routes(const Model& model) {
  std::string out = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n";
  for (const Route& route : model.routes) {
    const auto range = parse_ipv4_range(route.destination);
    const auto gateway = parse_ipv4(route.gateway);
    if (!range) continue;
    const std::uint32_t mask = range->prefix == 0 ? 0 : ~0U << static_cast<unsigned>(32 - range->prefix);
    out += fmt::format("{}\t{}\t{}\t{}\t0\t0\t{}\t{}\t0\t0\t0\n", route.interface, little_endian(range->base),
                       little_endian(gateway.value_or(0)), gateway ? "0003" : "0001", gateway ? 100 : 0,
                       little_endian(mask));
  }
  return out;
}

std::string mounts(const Model& model) {
  std::string out;
  for (const Mount& mount : model.mounts) out += fmt::format("{} {} {} rw,relatime 0 0\n", mount.device, mount.path, mount.type);
  return out;
}

std::string cgroup(const Process& process) {
  if (process.unit.empty()) return "0::/\n";
  if (process.unit[0] == '/') return "0::" + process.unit + "\n";
  return "0::/system.slice/" + process.unit + "\n";
}

// The qemu that runs a domain: the user of /dev/vfio/N.
Process qemu_process(const Model& model, const Domain& domain) {
  Process process;
  process.pid = first_qemu_pid + (&domain - model.domains.data());
  process.comm = "qemu-system-x86";
  process.command_line = "/usr/bin/qemu-system-x86_64 -name guest=" + domain.name;
  process.unit = fmt::format("/machine.slice/machine-qemu-{}.scope/libvirt/emulator", domain.name);
  process.files = {"/dev/kvm"};
  const auto definition = parse_domain(domain.running_xml);
  if (!definition) return process;
  for (const Bdf& address : definition->devices) {
    const Device* device = model.device(address);
    if (device == nullptr || !device->iommu_group) continue;
    const std::string file = fmt::format("/dev/vfio/{}", *device->iommu_group);
    if (std::find(process.files.begin(), process.files.end(), file) == process.files.end()) process.files.push_back(file);
  }
  return process;
}

Entries process_entries(const Process& process) {
  Entries out;
  out.emplace_back("comm", Node::file(process.comm + "\n"));
  std::string words = process.command_line;
  std::replace(words.begin(), words.end(), ' ', '\0');
  out.emplace_back("cmdline", Node::file(words + '\0'));
  out.emplace_back("cgroup", Node::file(cgroup(process)));
  out.emplace_back("fd", Node::directory([process] {
                     Entries files;
                     int number = 0;
                     for (const char* standard : {"/dev/null", "/dev/null", "/dev/null"}) {
                       files.emplace_back(std::to_string(number++), Node::link(standard));
                     }
                     for (const std::string& path : process.files) {
                       files.emplace_back(std::to_string(number++), Node::link(path));
                     }
                     return files;
                   }));
  return out;
}

// Layout: NVIDIA driver README, "The /proc interface".
std::string gpu_information(const Device& device) {
  return fmt::format(
      "Model: \t\t {0}\nIRQ:   \t\t 0\nGPU UUID: \t GPU-{3}{3}-{3}-{3}-{3}-{3}{3}{3}\nVideo BIOS: \t {4}.{4}.{4}.{4}.{4}\n"
      "Bus Type: \t PCIe\nDMA Size: \t 52 bits\nDMA Mask: \t 0xfffffffffffff\nBus Location: \t {1}\nDevice Minor: \t {2}\n"
      "GPU Firmware: \t N/A\nGPU Excluded:\t No\n",
      device.model.empty() ? "Unknown" : device.model, device.address.to_string(), device.minor,
      "????", "??");
}

Entries gpu_entries(const Model& model, const Device& device) {
  Entries out;
  out.emplace_back("information", Node::file(gpu_information(device)));
  if (model.unbind_lock_offered) {
    out.emplace_back("unbindLock", Node::file(device.unbind_lock ? "1\n" : "0\n")
                                       .writable(Attribute::unbind_lock, device.address.to_string()));
  }
  return out;
}

Entries nvidia_entries(const Model& model) {
  Entries out;
  out.emplace_back("version", Node::file("NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.126.20\n"));
  out.emplace_back("gpus", Node::directory([&model] {
                     Entries gpus;
                     for (const Device& device : model.devices) {
                       if (device.driver != "nvidia") continue;
                       gpus.emplace_back(device.address.to_string(),
                                         Node::directory([&model, &device] { return gpu_entries(model, device); }));
                     }
                     return gpus;
                   }));
  return out;
}

}  // namespace

Entries proc_entries(const Model& model) {
  Entries out;
  const auto generated = [&](const char* name, std::string (*text)(const Model&)) {
    out.emplace_back(name, Node::file([&model, text] { return text(model); }));
  };
  generated("cpuinfo", cpuinfo);
  generated("meminfo", meminfo);
  generated("interrupts", interrupts);
  generated("modules", loaded_modules);
  generated("mounts", mounts);
  out.emplace_back("cmdline", Node::file(model.kernel_command_line + "\n"));
  out.emplace_back("net", Node::directory([&model] {
                     Entries net;
                     net.emplace_back("route", Node::file([&model] { return routes(model); }));
                     return net;
                   }));
  out.emplace_back("driver", Node::directory([&model] {
                     Entries drivers;
                     if (module_loaded(model, "nvidia")) {
                       drivers.emplace_back("nvidia", Node::directory([&model] { return nvidia_entries(model); }));
                     }
                     return drivers;
                   }));
  for (const Process& process : model.processes) {
    if (!process_runs(model, process)) continue;
    out.emplace_back(std::to_string(process.pid), Node::directory([&process] { return process_entries(process); }));
  }
  for (const Domain& domain : model.domains) {
    if (domain.power != PowerState::running) continue;
    const std::int64_t pid = first_qemu_pid + (&domain - model.domains.data());
    out.emplace_back(std::to_string(pid), Node::directory([&model, &domain] {
                       return process_entries(qemu_process(model, domain));
                     }));
  }
  return out;
}

Entries dev_entries(const Model& model) {
  Entries out;
  std::map<std::string, std::vector<std::string>> directories;  // "vfio", "snd"
  for (const std::string& path : device_files(model)) {
    const std::string name = path.substr(5);
    const std::size_t slash = name.find('/');
    if (slash == std::string::npos) out.emplace_back(name, Node::file(""));
    else directories[name.substr(0, slash)].push_back(name.substr(slash + 1));
  }
  out.emplace_back("null", Node::file(""));
  for (const auto& [directory, names] : directories) {
    out.emplace_back(directory, Node::directory([names = names] {
                       Entries files;
                       for (const std::string& name : names) files.emplace_back(name, Node::file(""));
                       return files;
                     }));
  }
  return out;
}

}  // namespace gpuplan::sim
