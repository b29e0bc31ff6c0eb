// When a guest is reached through its agent: with an ssh and an agent that answer as each case says.
#include "host/local/guest_paths.h"

#include "digest/digest.h"
#include "json/json.h"
#include "support/catch.h"
#include "support/host_error_of.h"
#include "support/memory_host.h"

using namespace gpuplan;

namespace {

const std::string no_connection = "ssh: connect to host 192.168.130.21 port 22: No route to host\r\n";
const std::string lost = "Timeout, server 192.168.130.21 not responding.\r\n";
const std::string wrong_key = "Host key verification failed.\r\n";

struct Rig {
  test::MemoryHost host;
  CommandResult by_ssh{255, "", no_connection};
  bool has_agent = true;
  int by_agent = 0;  // how many commands the agent was given
  SshGuests ssh{{"/keys", "/tmp"}, host.files(), [this](const Command&) { return by_ssh; }};
  GuestAgent agent{[this](const std::string& domain, const std::string& command, std::chrono::seconds) {
                     return answer(domain, parse_json(command, "command")["execute"].get<std::string>());
                   },
                   host.clock()};
  GuestPaths paths{ssh, agent};
  GuestTarget guest{"gpu-worker-1", "192.168.130.21"};

  Rig() {
    host.files().put_file("/keys/id_ed25519", "key", 0600);
    host.files().put_file("/keys/gpu-worker-1.known_hosts", "gpu-worker-1 ssh-ed25519 AAAA", 0600);
  }

  std::string answer(const std::string& domain, const std::string& command) {
    if (!has_agent) throw HostError(HostError::Kind::timed_out, domain, "no agent");
    if (command == "guest-network-get-interfaces") return R"({"return":[{"name":"enp1s0"}]})";
    if (command == "guest-exec") {
      ++by_agent;
      return R"({"return":{"pid":1}})";
    }
    return Json{{"return", {{"exited", true}, {"exitcode", 0}, {"out-data", to_base64("by agent")}}}}.dump();
  }
};

}  // namespace

TEST_CASE("guest paths: a guest without a network is reached through its agent") {
  Rig rig;
  CHECK(rig.paths.run(rig.guest, {{"true"}}).output == "by agent");
  CHECK(rig.paths.query(rig.guest, {{"true"}}).output == "by agent");
  CHECK(rig.paths.get(rig.guest, "/etc/hostname") == "by agent");
  rig.paths.put(rig.guest, "/etc/hostname", "text", 0644);
  rig.paths.remove(rig.guest, "/etc/hostname");
  CHECK(rig.by_agent == 5);
  CHECK_FALSE(rig.paths.answers(rig.guest));
  CHECK(rig.paths.addresses_by_agent(rig.guest) == "no address on enp1s0");
}

TEST_CASE("guest paths: what ssh may have begun is not begun again") {
  Rig rig;
  rig.by_ssh.errors = lost;
  CHECK(host_error_of([&] { rig.paths.run(rig.guest, {{"kubeadm", "init"}}); }).kind() == HostError::Kind::unreachable);
  CHECK(rig.by_agent == 0);
  CHECK(rig.paths.query(rig.guest, {{"kubeadm", "version"}}).output == "by agent");
}

TEST_CASE("guest paths: ssh alone decides where it answers, or who answers") {
  Rig rig;
  rig.by_ssh = {7, "by ssh", ""};
  CHECK(rig.paths.run(rig.guest, {{"false"}}).exit_status == 7);
  rig.by_ssh = {255, "", wrong_key};
  CHECK(host_error_of([&] { rig.paths.query(rig.guest, {{"true"}}); }).kind() == HostError::Kind::refused);
  rig.by_ssh = {255, "", no_connection};
  rig.has_agent = false;
  const HostError error = host_error_of([&] { rig.paths.run(rig.guest, {{"true"}}); });
  CHECK(error.kind() == HostError::Kind::unreachable);
  CHECK_THAT(error.what(), contains("No route to host"));
  rig.has_agent = true;
  const GuestTarget machine{"worker-3", "10.0.0.5", "root", 22, "/root/.ssh/id_ed25519", "ssh-ed25519 AAAA"};
  CHECK(host_error_of([&] { rig.paths.run(machine, {{"true"}}); }).kind() == HostError::Kind::unreachable);
  CHECK(rig.by_agent == 0);
}
