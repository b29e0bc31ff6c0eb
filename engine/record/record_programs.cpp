#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>
#include <sstream>

#include "host/pci/boot_files.h"
#include "host/pci/nvidia/services.h"
#include "host/query_output.h"
#include "record/record_parts.h"
#include "report/diagnostic.h"

namespace gpuplan {
namespace {

constexpr std::array<const char*, 3> qemu_users = {"root", "libvirt-qemu", "qemu"};
constexpr std::array<const char*, 4> qemu_groups = {"root", "kvm", "libvirt-qemu", "qemu"};

// True unless the program is not there.
bool is_there(HostReader& host, std::vector<std::string> argv) {
  Command command;
  command.argv = std::move(argv);
  try {
    host.query(command);
    return true;
  } catch (const HostError& error) {
    return error.kind() != HostError::Kind::not_found;
  }
}

void record_packages(HostReader& host, sim::Model& model) {
  // In the model the package brings the program.
  std::vector<PackagedProgram> programs = driver_programs();
  programs.insert(programs.end(), {{"libvirt-clients", {"virsh", "--version"}},
                                   {"qemu-system-x86", {"qemu-system-x86_64", "--version"}},
                                   {"qemu-utils", {"qemu-img", "--version"}}});
  std::set<std::string> packages;
  for (const PackagedProgram& program : programs) {
    if (is_there(host, program.argv)) packages.insert(program.package);
  }
  if (host.files().kind(driverctl_program) != FileKind::none) packages.insert("driverctl");
  for (const char* name : {"grub2-common", "libvirt-daemon-system", "ovmf", "dnsmasq-base", "qemu-system-x86", "qemu-utils"}) {
    const std::string status = query_output(host, {"dpkg-query", "-W", "-f", "${db:Status-Status}", name});
    if (status == "installed") packages.insert(name);
  }
  model.packages.assign(packages.begin(), packages.end());
  // What stands for a package where there is no dpkg.
  for (const char* path : {"/usr/libexec/qemu-kvm", "/usr/sbin/libvirtd", "/usr/sbin/virtqemud",
                           "/usr/share/qemu/ovmf-x86_64.bin"}) {
    if (host.files().kind(path) != FileKind::none) model.files[path] = {};
  }
  for (const char* path : {"/usr/share/OVMF", "/usr/share/edk2/ovmf"}) {
    if (host.files().kind(path) != FileKind::none) model.directories.insert(path);
  }
}

// The rows of /etc/passwd or /etc/group about those who may run QEMU, without anybody's full name.
template <class Names>
std::string rows_about(const std::string& table, const Names& names) {
  std::string kept;
  std::istringstream lines(table);
  for (std::string line; std::getline(lines, line);) {
    std::vector<std::string> columns;
    std::istringstream rest(line);
    for (std::string column; std::getline(rest, column, ':');) columns.push_back(column);
    if (columns.size() < 3 || std::find(names.begin(), names.end(), columns[0]) == names.end()) continue;
    const bool is_user = columns.size() > 4;
    std::string members;  // of a group
    std::istringstream list(!is_user && columns.size() == 4 ? columns[3] : "");
    for (std::string member; std::getline(list, member, ',');) {
      if (std::find(qemu_users.begin(), qemu_users.end(), member) == qemu_users.end()) continue;
      members += (members.empty() ? "" : ",") + member;
    }
    kept += is_user ? fmt::format("{}:x:{}:{}::/:/bin/sh\n", columns[0], columns[2], columns[3])
                    : fmt::format("{}:x:{}:{}\n", columns[0], columns[2], members);
  }
  return printable_lines(kept) == kept ? kept : "";
}

void record_qemu_user(FileReader& files, sim::Model& model) {
  const std::string users = rows_about(read_trimmed(files, "/etc/passwd").value_or(""), qemu_users);
  const std::string groups = rows_about(read_trimmed(files, "/etc/group").value_or(""), qemu_groups);
  if (!users.empty()) model.files["/etc/passwd"].content = users;
  if (!groups.empty()) model.files["/etc/group"].content = groups;
  std::istringstream lines(read_trimmed(files, "/etc/libvirt/qemu.conf").value_or(""));
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string key, equals, value;
    if (!(words >> key >> equals >> value) || key != "user" || equals != "=") continue;
    for (const char* user : qemu_users) {
      if (value == fmt::format("\"{}\"", user)) model.files["/etc/libvirt/qemu.conf"].content = fmt::format("user = {}\n", value);
    }
  }
}

bool is_unit_name(const std::string& unit) {
  return unit.size() > 8 && unit.compare(unit.size() - 8, 8, ".service") == 0 && unit.front() != '-' &&
         unit.rfind("user@", 0) != 0;
}

// What the model makes itself of a running VM: its QEMU.
bool is_qemu_of_domain(const InventoryFunction& item, const DeviceHolder& holder) {
  return holder.file.find("/dev/vfio/") != std::string::npos &&
         std::any_of(item.domains.begin(), item.domains.end(), [](const DomainUse& use) { return use.running; });
}

// A process is in a unit of the system, or in a container: that is a path with the container's identifier.
std::string unit_in_model(const std::string& unit) {
  constexpr std::string_view container = "container ";
  if (unit.rfind(container, 0) != 0) return unit;
  std::string identifier = unit.substr(container.size());
  identifier.resize(64, '0');
  return "/docker/" + identifier;
}

void record_processes(const Inventory& inventory, sim::Model& model) {
  std::map<std::int64_t, sim::Process> processes;
  for (const InventoryFunction& item : inventory.functions) {
    for (const DeviceHolder& holder : item.holders) {
      if (is_qemu_of_domain(item, holder)) continue;
      sim::Process& process = processes[holder.pid];
      process.pid = holder.pid;
      process.comm = holder.command;
      process.command_line = holder.command;
      process.unit = unit_in_model(holder.unit);
      // As the model names its device files, below whatever root a container sees them.
      const std::string file = holder.file.substr(holder.file.rfind("/dev/"));
      if (std::find(process.files.begin(), process.files.end(), file) == process.files.end()) process.files.push_back(file);
    }
  }
  for (auto& [pid, process] : processes) {
    // Stopped and started again it would open the same.
    if (model.services.count(process.unit) > 0) process.opens = process.files;
    model.processes.push_back(process);
  }
}

void record_fabric(const Inventory& inventory, FileReader& files, sim::Model& model) {
  if (inventory.fabric_is_shared) model.fabric_manager.mode = "shared";
  else if (files.kind(fabric_config_path) != FileKind::none) model.fabric_manager.mode = "bare-metal";
  for (const FabricPartition& partition : inventory.partitions) {
    sim::Partition copy;
    copy.id = static_cast<int>(std::clamp<std::int64_t>(partition.id, 0, 255));
    copy.active = partition.active;
    for (const std::int64_t module : partition.modules) {
      if (module >= 1 && module <= 64) copy.modules.push_back(static_cast<int>(module));
    }
    model.fabric_manager.partitions.push_back(std::move(copy));
  }
}

}  // namespace

void record_service(HostReader& host, const std::string& unit, sim::Model& model) {
  std::istringstream lines(
      query_output(host, {"systemctl", "show", "-p", "LoadState,ActiveState,UnitFileState", unit}));
  sim::Service service;
  bool loaded = false;
  for (std::string line; std::getline(lines, line);) {
    loaded = loaded || line == "LoadState=loaded";
    service.active = service.active || line == "ActiveState=active";
    service.enabled = service.enabled || line == "UnitFileState=enabled";
  }
  if (loaded) model.services[unit] = service;
}

void record_programs(HostReader& host, const Inventory& inventory, sim::Model& model) {
  record_packages(host, model);
  record_qemu_user(host.files(), model);
  std::set<std::string> units = {"libvirtd.service", "virtqemud.service"};
  units.insert(driver_services.begin(), driver_services.end());
  for (const InventoryFunction& item : inventory.functions) {
    for (const DeviceHolder& holder : item.holders) {
      if (is_unit_name(holder.unit)) units.insert(holder.unit);
    }
  }
  for (const std::string& unit : units) record_service(host, unit, model);
  record_processes(inventory, model);
  record_fabric(inventory, host.files(), model);
}

}  // namespace gpuplan
