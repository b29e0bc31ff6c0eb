// The scripts of scripts/guest on simulated guests: what a step kind that forgets them would miss.
#include "guest_world.h"
#include "support/catch.h"
#include "support/host_error_of.h"

using namespace gpuplan;
using namespace gpuplan::test;

namespace {

struct Fresh : World {
  Fresh() {
    for (auto& [name, guest] : guests) guest.disk = {};
  }
  CommandResult script(const std::string& name, std::vector<std::string> arguments, bool read_only = false) {
    Command command{{"bash", "-s", "--", name}, "#!/usr/bin/env bash\nscript=" + name + "\n", std::chrono::seconds(60)};
    command.argv.insert(command.argv.end(), arguments.begin(), arguments.end());
    return sim::run_guest_program(guests.at("cp").disk, *this, command, read_only);
  }
};

}  // namespace

TEST_CASE("guest scripts: a fresh guest has no Kubernetes, and says what else it lacks") {
  Fresh world;
  CHECK(world.ask("cp", "kubeadm version -o short").exit_status == 127);
  CHECK(world.ask("cp", "kubectl get nodes").exit_status == 127);
  CHECK(world.ask("cp", "helm list").exit_status == 127);
  for (const char* name : {"base", "containerd", "nouveau", "nvidia", "helm"}) {
    INFO(name);
    CHECK(world.script(name, {"--check"}, true).exit_status == 10);
    CHECK(world.script(name, {}).exit_status == 0);
    CHECK(world.script(name, {"--check"}, true).exit_status == 0);
    CHECK(world.script(name, {}).output == "nothing to do\n");
  }
  CHECK(world.script("firewall", {"--check", "--networks", "10.0.0.0/8"}, true).ok());
}

TEST_CASE("guest scripts: kubernetes.sh installs the version that it is given, and changes none") {
  Fresh world;
  CHECK(world.script("kubernetes", {"--check", "--version", "1.33"}, true).output ==
        "kubeadm, kubelet, kubectl 1.33 are not installed\n");
  CHECK(world.script("kubernetes", {"--version", "1.33"}).ok());
  CHECK(world.ask("cp", "kubeadm version -o short").output == "v1.33.2\n");
  CHECK(world.ask("cp", "kubelet --version").output == "Kubernetes v1.33.2\n");
  CHECK_THAT(world.ask("cp", "kubectl version --client -o json").output, contains("\"gitVersion\": \"v1.33.2\""));
  CHECK(world.script("kubernetes", {"--check", "--version", "1.33.7"}, true).ok());
  CHECK(world.script("kubernetes", {"--check", "--version", "1.3"}, true).exit_status == 10);
  const CommandResult other = world.script("kubernetes", {"--version", "1.34"});
  CHECK(other.exit_status == 1);
  CHECK_THAT(other.output, contains("kubeadm 1.33.2 is here, and Kubernetes 1.34 is asked for"));
  CHECK(world.ask("cp", "kubeadm version -o short").output == "v1.33.2\n");
}

TEST_CASE("guest scripts: nothing else is taken for one") {
  Fresh world;
  CHECK(world.script("base", {"--frob", "1"}).exit_status == 64);
  CHECK(world.script("base", {"--node"}).exit_status == 64);
  CHECK(world.script("frob", {}).exit_status == 1);
  CHECK(world.run("cp", "bash -s -- base").exit_status == 1);  // without its text
  CHECK(world.run("cp", "bash -c true").exit_status == 1);
  const HostError error = host_error_of([&] { world.script("base", {}, true); });
  CHECK(error.kind() == HostError::Kind::refused);
}
