#include "host/local/local_host.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <sstream>

#include "digest/digest.h"
#include "host/libvirt/libvirt_agent.h"
#include "host/libvirt/libvirt_hypervisor.h"
#include "host/local/guest_paths.h"
#include "host/local/local_clock.h"
#include "host/local/local_files.h"
#include "host/local/run_command.h"

namespace gpuplan {
namespace {

// Short, for a socket's path is; cleared at each boot.
std::string socket_directory() {
  if (geteuid() == 0) return "/run";
  const char* own = std::getenv("XDG_RUNTIME_DIR");
  return own != nullptr && *own == '/' ? own : "/tmp";
}

std::string trimmed(std::string text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
  return text;
}

bool is_machine_id(const std::string& text) {
  return text.size() == 32 && text.find_first_not_of("0123456789abcdef") == std::string::npos;
}

// The value of PRETTY_NAME in os-release(5); empty if there is none.
std::string pretty_name(const std::string& os_release) {
  constexpr std::string_view key = "PRETTY_NAME=";
  std::istringstream lines(os_release);
  for (std::string line; std::getline(lines, line);) {
    if (line.compare(0, key.size(), key) != 0) continue;
    std::string value = line.substr(key.size());
    std::erase_if(value, [](char c) { return c == '"' || c == '\''; });
    return trimmed(value);
  }
  return {};
}

class LocalHost : public Host {
 public:
  explicit LocalHost(const LocalHostOptions& options)
      : root_(options.root),
        abandoned_(std::make_shared<AbandonedChildren>()),
        files_(options.root, options.read_limit, options.child_program, abandoned_),
        hypervisor_(make_libvirt_hypervisor(options.libvirt_uri, options.download_directory)),
        ssh_({options.key_directory, socket_directory()}, files_,
             [this](const Command& command) { return run_command(command, *abandoned_); }),
        libvirt_agent_(options.libvirt_uri),
        agent_([this](const std::string& domain, const std::string& command,
                      std::chrono::seconds limit) { return libvirt_agent_.call(domain, command, limit); },
               clock_),
        guests_(ssh_, agent_) {}

  std::string identity() override;
  std::string description() override;
  std::map<std::string, std::string> limitations() override;
  FileSystem& files() override { return files_; }
  CommandResult query(const Command& command) override { return run_command(command, *abandoned_); }
  CommandResult run(const Command& command) override { return run_command(command, *abandoned_); }
  Hypervisor& hypervisor() override { return *hypervisor_; }
  Guests& guests() override { return guests_; }
  Clock& clock() override { return clock_; }

 private:
  // Nothing instead of an error.
  std::string read_or_empty(const std::string& path);

  const std::string root_;
  const std::shared_ptr<AbandonedChildren> abandoned_;
  LocalFiles files_;
  const std::unique_ptr<Hypervisor> hypervisor_;
  LocalClock clock_;
  SshGuests ssh_;
  LibvirtAgent libvirt_agent_;
  GuestAgent agent_;
  GuestPaths guests_;
};

std::string LocalHost::read_or_empty(const std::string& path) {
  try {
    return files_.read(path);
  } catch (const HostError&) {
    return {};
  }
}

std::string LocalHost::identity() {
  for (const char* path : {"/etc/machine-id", "/var/lib/dbus/machine-id"}) {
    const std::string id = trimmed(read_or_empty(path));
    // machine-id(5): confidential, so only what a hash with a key of this program makes of it is kept.
    if (is_machine_id(id)) return "machine-" + sha256_hex("gpuplan host identity 1\n" + id);
  }
  throw HostError(HostError::Kind::not_found, root_ + "/etc/machine-id",
                  fmt::format("cannot tell this machine from others: {}/etc/machine-id does not hold 32 hexadecimal "
                              "digits; run systemd-machine-id-setup",
                              root_));
}

std::string LocalHost::description() {
  std::string name = trimmed(read_or_empty("/proc/sys/kernel/hostname"));
  if (name.empty()) name = trimmed(read_or_empty("/etc/hostname"));
  if (name.empty()) name = root_.empty() ? "this machine" : root_;
  std::string system = pretty_name(read_or_empty("/etc/os-release"));
  if (system.empty()) system = pretty_name(read_or_empty("/usr/lib/os-release"));
  return system.empty() ? name : fmt::format("{} ({})", name, system);
}

std::map<std::string, std::string> LocalHost::limitations() {
  // A test's tree of files in place of the root directory belongs to whoever runs the test.
  if (!root_.empty() || geteuid() == 0) return {};
  return {{"vfio-bind", "only root can move a GPU from one driver to another; run gpuplan as root"}};
}

}  // namespace

std::unique_ptr<Host> open_local_host(const LocalHostOptions& options) {
  return std::make_unique<LocalHost>(options);
}

}  // namespace gpuplan
