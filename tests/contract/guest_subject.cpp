#include "guest_subject.h"

#include <arpa/inet.h>
#include <pwd.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <thread>

#include "host/local/local_host.h"
#include "host/sim/sim_host.h"

namespace gpuplan {
namespace {

constexpr const char* node = "contract-guest";

std::uint16_t free_port() {
  const int probe = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  REQUIRE(bind(probe, reinterpret_cast<sockaddr*>(&address), size) == 0);
  REQUIRE(getsockname(probe, reinterpret_cast<sockaddr*>(&address), &size) == 0);
  close(probe);
  return ntohs(address.sin_port);
}

void write_private(const std::string& path, const std::string& content) {
  std::ofstream(path) << content;
  chmod(path.c_str(), 0600);
}

std::unique_ptr<Host> open_with_keys(const std::string& keys) {
  LocalHostOptions options;
  options.libvirt_uri = "test:///default";
  options.child_program = GPUPLAN_FILE_ACCESS_CHILD;
  options.key_directory = keys;
  return open_local_host(options);
}

void boot_simulated(Host& host) {
  Hypervisor& hypervisor = host.hypervisor();
  hypervisor.define_pool("contract", "/var/lib/contract");
  hypervisor.create_volume("contract", "guest.qcow2", 1 << 20, "");
  DomainDefinition definition;
  definition.name = node;
  definition.type = "kvm";
  definition.owner.cluster = "contract";
  definition.memory_mib = 64;
  definition.cpus = 1;
  definition.firmware = "bios";
  definition.disks = {{hypervisor.volume("contract", "guest.qcow2")->path, "qcow2", "vda", false}};
  hypervisor.define_domain(render_domain(definition));
  hypervisor.start_domain(node);
}

}  // namespace

GuestSubject::GuestSubject(const std::string& name) {
  target_.node = node;
  if (name == "simulated") {
    Diagnostics diagnostics;
    host_ = open_sim_host(GPUPLAN_SOURCE_DIR "/specs/hosts/h100-sxm8.yaml", scratch_.path(), diagnostics);
    REQUIRE(host_);
    directory_ = "/srv/contract";
    boot_simulated(*host_);
  } else {
    host_ = open_with_keys(scratch_ / "keys");
    const GuestCredentials credentials = host_->guests().credentials(node);
    host_key_ = credentials.host_key;
    authorized_key_ = credentials.authorized_key;
    target_.address = "127.0.0.1";
    target_.user = getpwuid(getuid())->pw_name;
    target_.port = free_port();
    directory_ = scratch_ / "guest files";
    start_sshd();
  }
  for (int i = 0; i < 200 && !guests().answers(target_); ++i) host_->clock().sleep_for(std::chrono::milliseconds(500));
  REQUIRE(guests().answers(target_));
}

GuestSubject::~GuestSubject() { stop_sshd(); }

void GuestSubject::start_sshd() {
  write_private(scratch_ / "host_key", host_key_);
  write_private(scratch_ / "authorized_keys", authorized_key_ + "\n");
  std::ofstream(scratch_ / "sshd_config") << "ListenAddress 127.0.0.1\nPort " << target_.port << "\nHostKey "
                                          << scratch_ / "host_key" << "\nAuthorizedKeysFile "
                                          << scratch_ / "authorized_keys"
                                          << "\nPidFile none\nUsePAM no\nStrictModes no\nPasswordAuthentication no\n";
  if (getuid() == 0) mkdir("/run/sshd", 0755);  // where sshd, started by root, confines itself
  const std::string configuration = scratch_ / "sshd_config";
  const std::string log = scratch_ / "sshd.log";
  sshd_ = fork();
  REQUIRE(sshd_ >= 0);
  if (sshd_ == 0) {
    execl("/usr/sbin/sshd", "/usr/sbin/sshd", "-D", "-f", configuration.c_str(), "-E", log.c_str(), nullptr);
    _exit(127);
  }
}

void GuestSubject::stop_sshd() {
  if (sshd_ <= 0) return;
  kill(sshd_, SIGTERM);
  waitpid(sshd_, nullptr, 0);
  sshd_ = 0;
}

void GuestSubject::change_host_key() {
  stop_sshd();
  host_ = open_with_keys(scratch_ / "keys");  // without the shared connection to the guest of before
  TemporaryDirectory other;
  host_key_ = open_with_keys(other / "keys")->guests().credentials(node).host_key;
  target_.port = free_port();
  start_sshd();
}

}  // namespace gpuplan
