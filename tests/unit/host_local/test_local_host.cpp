#include <cstdlib>
#include <functional>

#include "digest/digest.h"
#include "host/interrupt.h"
#include "host/local/local_clock.h"
#include "host/local/local_host.h"
#include "support/catch.h"
#include "support/host_error_of.h"
#include "support/host_files.h"

using namespace gpuplan;

namespace {

constexpr const char* machine_id = "0123456789abcdef0123456789abcdef";

std::unique_ptr<Host> host_of(const TemporaryDirectory& tree) {
  LocalHostOptions options;
  options.root = tree.path();
  options.child_program = GPUPLAN_FILE_ACCESS_CHILD;
  options.libvirt_uri = "test:///default";
  return open_local_host(options);
}

}  // namespace

TEST_CASE("a machine is told by its machine-id, which does not leak") {
  const TemporaryDirectory tree;
  make_file(tree / "etc/machine-id", std::string(machine_id) + "\n");
  const std::string identity = host_of(tree)->identity();
  REQUIRE(identity == host_of(tree)->identity());
  REQUIRE(identity.find(machine_id) == std::string::npos);
  REQUIRE(identity.substr(0, 8) == "machine-");
  REQUIRE(identity != "machine-" + sha256_hex(machine_id));  // not the hash that others would make of it
  make_file(tree / "etc/machine-id", "1123456789abcdef0123456789abcdef\n");
  REQUIRE(host_of(tree)->identity() != identity);
}

TEST_CASE("a machine without a machine-id cannot be told from others") {
  const TemporaryDirectory tree;
  SECTION("absent") {}
  SECTION("empty") { make_file(tree / "etc/machine-id", ""); }
  SECTION("not made yet") { make_file(tree / "etc/machine-id", "uninitialized\n"); }
  const HostError error = host_error_of([&] { host_of(tree)->identity(); });
  REQUIRE(error.kind() == HostError::Kind::not_found);
  REQUIRE(std::string(error.what()) == "cannot tell this machine from others: " + (tree / "etc/machine-id") +
                                           " does not hold 32 hexadecimal digits; run systemd-machine-id-setup");
}

TEST_CASE("D-Bus's copy of the machine-id will do") {
  const TemporaryDirectory tree;
  make_file(tree / "etc/machine-id", std::string(machine_id) + "\n");
  const std::string identity = host_of(tree)->identity();
  std::filesystem::remove(tree / "etc/machine-id");
  make_file(tree / "var/lib/dbus/machine-id", std::string(machine_id) + "\n");
  REQUIRE(host_of(tree)->identity() == identity);
}

TEST_CASE("a machine is described by its name and its system") {
  const TemporaryDirectory tree;
  REQUIRE(host_of(tree)->description() == tree.path());
  make_file(tree / "etc/hostname", "gpu01\n");
  REQUIRE(host_of(tree)->description() == "gpu01");
  make_file(tree / "etc/os-release", "ID=debian\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n");
  REQUIRE(host_of(tree)->description() == "gpu01 (Debian GNU/Linux 12 (bookworm))");
}

TEST_CASE("a guest without keys is not looked for") {
  const TemporaryDirectory tree;
  const auto host = host_of(tree);
  const GuestTarget guest{"gpu-worker-1", "192.168.130.21"};
  REQUIRE_FALSE(host->guests().answers(guest));
  const HostError error = host_error_of([&] { host->guests().query(guest, {{"true"}}); });
  REQUIRE(error.kind() == HostError::Kind::unreachable);
  REQUIRE(error.subject() == "gpu-worker-1");
  REQUIRE(std::string(error.what()) ==
          "gpu-worker-1 (192.168.130.21) cannot be reached: gpuplan has no ssh keys for it here; they lie with the state of "
          "the user who made the cluster: run gpuplan as that user, or with that --state-dir");
}

TEST_CASE("the clock of a real host is the system's, and an interrupt ends a sleep") {
  const TemporaryDirectory tree;
  const auto host = host_of(tree);
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  REQUIRE(std::abs(host->clock().now() - std::chrono::duration_cast<std::chrono::seconds>(now).count()) <= 2);
  const auto begin = std::chrono::steady_clock::now();
  Interrupt::request(2);
  host->clock().sleep_for(std::chrono::minutes(5));
  Interrupt::request(0);
  REQUIRE(std::chrono::steady_clock::now() - begin < std::chrono::minutes(1));
}

TEST_CASE("a clock that is set back or forward while gpuplan runs moves no limit") {
  std::int64_t system = 1'800'000'000, passed = 50;
  LocalClock clock([&] { return system; }, [&] { return passed; });
  CHECK(clock.now() == 1'800'000'000);
  passed += 10;
  system -= 86'400;
  CHECK(clock.now() == 1'800'000'010);
  passed += 10;
  system += 10 * 86'400;
  CHECK(clock.now() == 1'800'000'020);
}

TEST_CASE("opening a host touches nothing") {
  LocalHostOptions options;
  options.libvirt_uri = "qemu+unix:///system?socket=/no/such/socket";
  options.child_program = "/no/such/child";
  options.root = "/no/such/root";
  const auto host = open_local_host(options);
  REQUIRE(host->description() == "/no/such/root");
  const HostError error = host_error_of([&] { host->hypervisor().domains(); });
  REQUIRE(error.kind() == HostError::Kind::unreachable);
  REQUIRE_THAT(error.what(), contains("is its service running? (systemctl status libvirtd virtqemud)"));
}
