#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <sstream>

#include "host_subject.h"

namespace gpuplan::iommu_check {
namespace {

constexpr const char* kvm_check = "kvm-access";
constexpr const char* device = "/dev/kvm";
constexpr unsigned read_and_write = 6;

struct Access {
  unsigned mode = 0;
  std::string owner;
  std::string group;
};

// From stat(1): the ports tell neither modes nor owners.
std::optional<Access> read_access(HostReader& host) {
  Command command;
  command.argv = {"stat", "-L", "-c", "%a %U %G", device};
  try {
    const CommandResult result = host.query(command);
    std::istringstream words(result.output);
    Access access;
    std::string mode;
    if (!result.ok() || !(words >> mode >> access.owner >> access.group)) return std::nullopt;
    const auto [end, error] = std::from_chars(mode.data(), mode.data() + mode.size(), access.mode, 8);
    if (error != std::errc() || end != mode.data() + mode.size()) return std::nullopt;
    return access;
  } catch (const HostError& error) {
    if (error.kind() == HostError::Kind::timed_out) throw;
    return std::nullopt;
  }
}

// The line of a table such as /etc/passwd that is about `key`, in its columns; empty if there is none.
std::vector<std::string> row_of(const HostSubject& subject, const std::string& table, const std::string& key) {
  std::istringstream lines(subject.read(table));
  for (std::string line; std::getline(lines, line);) {
    if (line.rfind(key + ":", 0) != 0) continue;
    std::vector<std::string> columns;
    std::istringstream rest(line);
    for (std::string column; std::getline(rest, column, ':');) columns.push_back(column);
    return columns;
  }
  return {};
}

// As whom libvirt runs QEMU: its configuration's word, else the user that the distribution's package makes.
std::string qemu_user(const HostSubject& subject) {
  std::istringstream lines(subject.read("/etc/libvirt/qemu.conf"));
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string key, equals, value;
    if (!(words >> key >> equals >> value) || key != "user" || equals != "=") continue;
    value.erase(std::remove(value.begin(), value.end(), '"'), value.end());
    return value;
  }
  for (const char* user : {"libvirt-qemu", "qemu"}) {
    if (!row_of(subject, "/etc/passwd", user).empty()) return user;
  }
  return {};
}

bool is_in_group(const HostSubject& subject, const std::string& user, const std::string& group) {
  const auto of_group = row_of(subject, "/etc/group", group);
  const auto of_user = row_of(subject, "/etc/passwd", user);
  if (of_group.size() > 2 && of_user.size() > 3 && of_user[3] == of_group[2]) return true;
  std::istringstream members(of_group.size() > 3 ? of_group[3] : "");
  for (std::string member; std::getline(members, member, ',');) {
    if (member == user) return true;
  }
  return false;
}

// A group of its own that may read and write is joined. Otherwise the device gets the group and mode that systemd's rules
// give it (50-udev-default.rules).
std::string how_to_allow(const Access& access, const std::string& user, const std::string& libvirt) {
  const bool group_may = (access.mode >> 3U & read_and_write) == read_and_write;
  if (group_may && access.group != "root") {
    return fmt::format("`usermod -aG {} {} && systemctl restart {}`", access.group, user, libvirt);
  }
  return fmt::format("`chgrp kvm {0} && chmod 0660 {0} && usermod -aG kvm {1} && systemctl restart {2}`; to last over a "
                     "reboot: `echo 'KERNEL==\"kvm\", GROUP=\"kvm\", MODE=\"0660\"' >/etc/udev/rules.d/65-kvm.rules`",
                     device, user, libvirt);
}

}  // namespace

CheckResult check_kvm_access(const HostSubject& subject) {
  const auto access = read_access(subject.host);
  if (!access) return subject.pass(kvm_check, "/dev/kvm is there; who may use it could not be read", device);
  const std::string shown = fmt::format("/dev/kvm has mode {:04o}, owner {}, group {}", access->mode, access->owner,
                                        access->group);
  if ((access->mode & read_and_write) == read_and_write) return subject.pass(kvm_check, shown, device);
  const std::string user = qemu_user(subject);
  if (user.empty()) {
    return subject.result(kvm_check, CheckStatus::warn, shown + "; as whom QEMU runs is unknown", device,
                          "see that the user of QEMU may read and write it");
  }
  unsigned granted = access->mode;
  if (user == access->owner) granted = access->mode >> 6U;
  else if (is_in_group(subject, user, access->group)) granted = access->mode >> 3U;
  if (user == "root" || (granted & read_and_write) == read_and_write) {
    return subject.pass(kvm_check, fmt::format("{}; QEMU runs as {}, which may use it", shown, user), device);
  }
  return subject.result(kvm_check, CheckStatus::fail, fmt::format("{}; QEMU runs as {}, which may not use it", shown, user),
                        device, how_to_allow(*access, user, libvirt_service(subject.host.files())));
}

}  // namespace gpuplan::iommu_check
