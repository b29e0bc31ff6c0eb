#include "boot_binding.h"

#include <fmt/format.h>

#include <algorithm>

#include "host/pci/boot_files.h"

namespace gpuplan::vfio_bind {
namespace {

constexpr const char* bound_driver = "vfio-pci";
constexpr unsigned readable = 0644;

bool has_driverctl(FileReader& files) { return files.kind(driverctl_program) != FileKind::none; }

bool saves_vfio(const PciFunction& function, FileReader& files) {
  return read_trimmed(files, saved_override(function.address)) == std::string(bound_driver);
}

std::string unit_of(const std::vector<PciFunction>& functions) {
  return boot_unit(functions.front().address);
}

std::string unit_path(const std::vector<PciFunction>& functions) {
  return fmt::format("{}/{}", unit_directory, unit_of(functions));
}

// systemd.service(5): $$ is a dollar sign for the shell. The override comes before udev looks at the devices, so no other
// driver takes them; only one from the initramfs can have them already.
std::string unit_text(const std::vector<PciFunction>& functions) {
  std::string addresses;
  for (const PciFunction& function : functions) addresses += fmt::format(" {}", function.address.to_string());
  return fmt::format(R"(# Made by gpuplan (host.persist_bindings). `gpuplan destroy` removes it.
[Unit]
Description=Bind{0} to vfio-pci
Documentation=https://docs.kernel.org/driver-api/vfio.html
DefaultDependencies=no
Before=systemd-udev-trigger.service libvirtd.service virtqemud.service
ConditionPathExists=/sys/bus/pci/devices/{1}

[Service]
Type=oneshot
RemainAfterExit=yes
TimeoutStartSec=60
ExecStart=/bin/sh -c 'cd /sys/bus/pci/devices && for f do echo vfio-pci >$$f/driver_override; done' vfio{0}
ExecStart=/sbin/modprobe vfio-pci
ExecStart=/bin/sh -c 'cd /sys/bus/pci/devices && for f do \
  case $$(readlink $$f/driver) in */vfio-pci) ;; ?*) echo $$f >$$f/driver/unbind ;; esac; \
  echo $$f >/sys/bus/pci/drivers_probe; echo on >$$f/power/control; done' vfio{0}

[Install]
WantedBy=sysinit.target
)",
                     addresses, functions.front().address.to_string());
}

Command systemctl(std::vector<std::string> words) {
  words.insert(words.begin(), "systemctl");
  return Command{std::move(words), {}, std::chrono::seconds(60)};
}

bool unit_is_there(const std::vector<PciFunction>& functions, HostReader& host) {
  if (host.files().kind(unit_path(functions)) == FileKind::none) return false;
  if (host.files().read(unit_path(functions)) != unit_text(functions)) return false;
  return host.query(systemctl({"is-enabled", unit_of(functions)})).ok();
}

}  // namespace

bool is_bound_at_boot(const std::vector<PciFunction>& functions, HostReader& host) {
  if (functions.empty()) return false;
  const bool by_driverctl = has_driverctl(host.files()) &&
                            std::all_of(functions.begin(), functions.end(), [&](const PciFunction& function) {
                              return saves_vfio(function, host.files());
                            });
  return by_driverctl || unit_is_there(functions, host);
}

std::string boot_binding_by(const std::vector<PciFunction>& functions, FileReader& files) {
  return has_driverctl(files) || functions.empty() ? "driverctl" : unit_of(functions);
}

void bind_at_boot(const std::vector<PciFunction>& functions, Host& host) {
  if (is_bound_at_boot(functions, host)) return;
  if (has_driverctl(host.files())) {
    host.files().make_directory(driverctl_directory, 0755);
    for (const PciFunction& function : functions) {
      host.files().put_file(saved_override(function.address), fmt::format("{}\n", bound_driver), readable);
    }
    return;
  }
  host.files().put_file(unit_path(functions), unit_text(functions), readable);
  for (const Command& command : {systemctl({"daemon-reload"}), systemctl({"enable", unit_of(functions)})}) {
    require_success(command, host.run(command));
  }
}

void stop_binding_at_boot(const std::vector<PciFunction>& functions, Host& host) {
  for (const PciFunction& function : functions) {
    if (saves_vfio(function, host.files())) host.files().remove_file(saved_override(function.address));
  }
  if (functions.empty() || host.files().kind(unit_path(functions)) == FileKind::none) return;
  // After a reboot it is active, and would stay so without its file.
  const Command disable = systemctl({"disable", "--now", unit_of(functions)});
  require_success(disable, host.run(disable));
  host.files().remove_file(unit_path(functions));
  const Command reload = systemctl({"daemon-reload"});
  require_success(reload, host.run(reload));
}

}  // namespace gpuplan::vfio_bind
