// Machines that gpuplan did not make, through OpenSSH: whom it trusts, and how it becomes root there.
#include <filesystem>

#include "guest_subject.h"
#include "host/ssh/ssh_guests.h"
#include "support/host_error_of.h"
#include "support/memory_host.h"

using namespace gpuplan;

namespace {

// The real guest as somebody else's machine: with a key that the spec names and a host key that it pins.
GuestTarget as_machine(GuestSubject& subject, const std::string& host_key) {
  GuestTarget machine = subject.target();
  machine.node = "contract-machine";
  machine.identity = subject.identity_file();
  machine.host_key = host_key.substr(0, host_key.find(' ', host_key.find(' ') + 1));
  return machine;
}

GuestTarget machine_of(const std::string& user) {
  GuestTarget machine;
  machine.node = "gpu-worker-3";
  machine.address = "10.0.0.6";
  machine.user = user;
  machine.port = 2222;
  machine.identity = "/root/.ssh/id_ed25519";
  machine.host_key = "ssh-ed25519 AAAA";
  return machine;
}

// What ssh would have been started with, and what it answers.
struct RecordedSsh {
  std::vector<std::string> argv;
  CommandResult answer;
  test::MemoryHost host;
  SshGuests guests{{"", std::filesystem::temp_directory_path()}, host.files(), [this](const Command& command) {
                     argv = command.argv;
                     return answer;
                   }};
};

bool has_option(const std::vector<std::string>& argv, const std::string& option) {
  for (std::size_t i = 0; i + 1 < argv.size(); ++i) {
    if (argv[i] == "-o" && argv[i + 1] == option) return true;
  }
  return false;
}

}  // namespace

TEST_CASE("a real machine with the pinned host key is logged in to, with the key that the spec names") {
  GuestSubject subject("this machine");
  const GuestTarget machine = as_machine(subject, subject.guests().credentials(subject.target().node).host_key_public);
  REQUIRE(subject.guests().answers(machine));
  CHECK(subject.guests().run(machine, {{"cat"}, "through standard input"}).output == "through standard input");
  subject.guests().put(machine, subject.directory() + "/file", "content", 0600);
  CHECK(subject.guests().get(machine, subject.directory() + "/file") == "content");
}

TEST_CASE("a real machine with another host key than the pinned one is not talked to") {
  GuestSubject subject("this machine");
  const GuestTarget machine = as_machine(subject, subject.guests().credentials("contract-other").host_key_public);
  const HostError error = host_error_of([&] { subject.guests().run(machine, {{"true"}}); });
  CHECK(error.kind() == HostError::Kind::refused);
  CHECK_THAT(error.what(), contains("does not have the ssh host key that is trusted for contract-machine"));
}

TEST_CASE("a real machine that does not let the key in says so by name") {
  GuestSubject subject("this machine");
  GuestTarget machine = as_machine(subject, subject.guests().credentials(subject.target().node).host_key_public);
  machine.identity = "/no/such/key";
  const HostError error = host_error_of([&] { subject.guests().answers(machine); });
  CHECK(error.kind() == HostError::Kind::refused);
  CHECK_THAT(error.what(), contains("with the key /no/such/key"));
}

TEST_CASE("root on a machine needs no sudo, any other user gets it or the reason") {
  RecordedSsh ssh;
  ssh.guests.run(machine_of("root"), {{"true"}});
  CHECK_THAT(ssh.argv.back(), contains("exec 'timeout'") && !contains("sudo"));
  CHECK(has_option(ssh.argv, "IdentityFile=/root/.ssh/id_ed25519"));
  CHECK(has_option(ssh.argv, "KnownHostsCommand=/bin/echo gpu-worker-3 ssh-ed25519 AAAA"));
  CHECK(has_option(ssh.argv, "UserKnownHostsFile=/dev/null"));
  CHECK(has_option(ssh.argv, "StrictHostKeyChecking=yes"));
  ssh.guests.run(machine_of("ubuntu"), {{"printf", "a'b; id"}});
  CHECK_THAT(ssh.argv.back(), contains("exec sudo -n -- env PATH=") && contains("'printf' 'a'\\''b; id'"));
  ssh.answer = {1, "", "sudo: a password is required\n"};
  const HostError refused = host_error_of([&] { ssh.guests.answers(machine_of("ubuntu")); });
  CHECK(refused.kind() == HostError::Kind::refused);
  CHECK(std::string(refused.what()) ==
        "ubuntu cannot become root on gpu-worker-3 (10.0.0.6): sudo: a password is required; allow it there with the line "
        "`ubuntu ALL=(ALL) NOPASSWD: ALL` in /etc/sudoers.d/gpuplan, or log in as root");
  // The same words from a command that root ran are the command's own.
  CHECK(ssh.guests.run(machine_of("root"), {{"true"}}).exit_status == 1);
}

TEST_CASE("a machine that cannot resolve its own name still lets its user become root") {
  RecordedSsh ssh;
  const std::string warning = "sudo: unable to resolve host gpu-worker-3: Name or service not known\n";
  ssh.answer = {1, "", warning + warning + "error: nothing is there\n"};
  const CommandResult failed = ssh.guests.run(machine_of("ubuntu"), {{"false"}});
  CHECK(failed.exit_status == 1);
  CHECK(failed.errors == "error: nothing is there\n");
  ssh.answer = {1, "no\n", "sudo: unable to resolve host gpu-worker-3"};
  CHECK(ssh.guests.run(machine_of("ubuntu"), {{"false"}}).errors.empty());
  ssh.answer = {1, "", warning + "sudo: a password is required\n"};
  CHECK_THAT(host_error_of([&] { ssh.guests.answers(machine_of("ubuntu")); }).what(),
             contains("ubuntu cannot become root on gpu-worker-3 (10.0.0.6): sudo: a password is required; "));
}
