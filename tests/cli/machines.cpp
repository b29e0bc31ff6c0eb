// Machines that exist already as nodes.
#include <fstream>

#include "on_terminal.h"
#include "program.h"
#include "support/catch.h"

namespace {

const std::string key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

std::string machine(const std::string& login, const std::string& host_key = key) {
  return "{ssh: " + login + ", identity: /root/.ssh/id_ed25519, host_key: " + host_key + "}";
}

// The simulated server with two machines beside it, whose second one has a user that is not root.
class Rig {
 public:
  explicit Rig(const std::string& second = "sudo: true") {
    host_ = place.write("with-machines.yaml", cli::read_file(place.host()) + "machines:\n  - {address: 10.0.0.5, host_key: " + key +
                                                  "}\n  - {address: 10.0.0.6, user: ubuntu, host_key: " + key + ", " + second + "}\n");
  }
  cli::Result run(std::vector<std::string> words) const { return place.run(on_host(std::move(words))); }
  cli::TerminalSession answer(std::vector<std::string> words, const std::string& typed) const {
    return cli::on_terminal(place, on_host(std::move(words)), "Only \"yes\" is accepted: ", typed);
  }
  std::string spec(const std::string& nodes) const { return place.write("machines.yaml", "nodes: {" + nodes + "}\n"); }

  cli::Place place;

 private:
  std::vector<std::string> on_host(std::vector<std::string> words) const {
    words.insert(words.end(), {"--host", "sim:" + host_, "--parallelism", "1"});
    return words;
  }

  std::string host_;
};

const std::string both = "control-plane: " + machine("root@10.0.0.5") + ", worker-3: " + machine("ubuntu@10.0.0.6");

}  // namespace

TEST_CASE("a spec whose nodes all exist already gives a cluster, and destroy leaves the machines") {
  const Rig rig;
  const std::string path = rig.spec(both);
  const cli::Result plan = rig.run({"plan", path});
  rig.place.expect_golden("machines-plan", plan);
  const cli::Result apply = rig.run({"apply", path, "--yes"});
  INFO(apply.out << apply.err);
  REQUIRE(apply.exit_code == 0);
  CHECK(rig.run({"plan", path, "--detailed-exitcode"}).exit_code == 0);
  CHECK_THAT(rig.run({"verify"}).out, contains("gpu-worker-3"));
  CHECK(rig.run({"console", "worker-3"}).exit_code == 1);
  rig.place.expect_golden("machines-console", rig.run({"console", "worker-3"}));
  const cli::Result destroy = rig.run({"destroy", "--yes"});
  rig.place.expect_golden("machines-destroy", destroy);
  CHECK(destroy.exit_code == 0);
  CHECK(rig.run({"apply", path, "--yes"}).exit_code == 0);  // nothing of the first one is in the way
}

TEST_CASE("a machine is reached by name, and its own GPUs are offered and tested") {
  const Rig rig("gpus: 2");
  const std::string login = "ssh: ubuntu@gpu7.lan, identity: /root/.ssh/id_ed25519, host_key: " + key;
  const auto spec = [&](const std::string& more) {
    return rig.spec("control-plane: " + machine("root@10.0.0.5") + ", worker-3: {" + login + ", " + more + "}");
  };
  const cli::Result elsewhere = rig.run({"plan", spec("address: 10.0.0.7")});
  CHECK(elsewhere.exit_code == 1);
  CHECK_THAT(elsewhere.out, contains("gpu-worker-3 does not answer a login at gpu7.lan port 22"));

  const std::string path = spec("address: 10.0.0.6, gpus: 2");
  const cli::Result apply = rig.run({"apply", path, "--yes"});
  INFO(apply.out << apply.err);
  REQUIRE(apply.exit_code == 0);
  CHECK_THAT(apply.out, contains("gpu-operator"));
  const cli::Result verified = rig.run({"verify"});
  CHECK(verified.exit_code == 0);
  CHECK_THAT(verified.out, contains("2 of 2 allocatable"));
  CHECK(rig.run({"plan", path, "--detailed-exitcode"}).exit_code == 0);

  const cli::Result more = rig.run({"verify", spec("address: 10.0.0.6, gpus: 1")});
  CHECK(more.exit_code == 1);
  CHECK_THAT(more.out, contains("the machine offers more than its `gpus` in the spec"));
}

TEST_CASE("a failed apply on machines is rolled back") {
  const Rig rig;
  const std::string path = rig.spec(both);
  REQUIRE(rig.run({"apply", path, "--yes", "--fault", "worker-join/gpu-worker-3:fail"}).exit_code == 3);
  CHECK(rig.run({"rollback", "--yes"}).exit_code == 0);
  REQUIRE(rig.run({"apply", path, "--yes"}).exit_code == 0);
}

TEST_CASE("a machine that does not let gpuplan in stops the plan, with the reason") {
  SECTION("no sudo") {
    const Rig rig("sudo: false");
    const cli::Result refused = rig.run({"plan", rig.spec(both)});
    CHECK(refused.exit_code == 1);
    rig.place.expect_golden("machines-no-sudo", refused);
  }
  SECTION("another host key") {
    const Rig rig;
    std::string other = key;
    other.back() = 'b';
    const cli::Result refused =
        rig.run({"plan", rig.spec("control-plane: " + machine("root@10.0.0.5", other) + ", worker-3: " + machine("ubuntu@10.0.0.6"))});
    CHECK(refused.exit_code == 1);
    CHECK_THAT(refused.out, contains("does not have the ssh host key that is trusted for gpu-control-plane"));
  }
  SECTION("it does not answer") {
    const Rig rig("answers: false");
    const cli::Result refused = rig.run({"plan", rig.spec(both)});
    CHECK(refused.exit_code == 1);
    CHECK_THAT(refused.out, contains("gpu-worker-3 does not answer a login at 10.0.0.6 port 22"));
  }
}

TEST_CASE("a host key that the spec does not pin is asked for once") {
  const Rig rig;
  const std::string path =
      rig.spec("control-plane: " + machine("root@10.0.0.5") + ", worker-3: {ssh: ubuntu@10.0.0.6, identity: /root/.ssh/id_ed25519}");
  rig.place.expect_golden("machines-unknown-key", rig.run({"plan", path}));
  const cli::TerminalSession refused = rig.answer({"plan", path}, "no\n");
  CHECK(refused.exit_code == 1);
  CHECK_THAT(refused.screen, contains("the host key of gpu-worker-3 was not accepted; nothing was changed"));
  CHECK_THAT(rig.run({"status"}).out, contains("There is no cluster"));

  const cli::TerminalSession accepted = rig.answer({"plan", path}, "yes\n");
  INFO(accepted.screen);
  CHECK(accepted.exit_code == 0);
  CHECK_THAT(accepted.screen, contains("At 10.0.0.6 port 22 answers\r\n  SHA256:"));
  REQUIRE(rig.run({"apply", path, "--yes"}).exit_code == 0);
  CHECK(rig.run({"plan", path, "--detailed-exitcode"}).exit_code == 0);
  CHECK(rig.run({"verify"}).exit_code == 0);
  CHECK(rig.run({"destroy", "--yes"}).exit_code == 0);
}

TEST_CASE("a machine whose accepted host key has changed is not talked to") {
  const Rig rig;
  const std::string path =
      rig.spec("control-plane: " + machine("root@10.0.0.5") + ", worker-3: {ssh: ubuntu@10.0.0.6, identity: /root/.ssh/id_ed25519}");
  std::string other = key;
  other.back() = 'b';
  const std::string kept = rig.place.state_dir() + "/clusters/gpu/host_keys";
  REQUIRE(rig.answer({"plan", path}, "yes\n").exit_code == 0);
  CHECK(cli::read_file(kept) == "10.0.0.6:22 " + key + "\n");
  std::ofstream(kept) << "10.0.0.6:22 " << other << "\n";
  CHECK_THAT(rig.run({"plan", path}).out, contains("does not have the ssh host key that"));
  std::ofstream(kept) << "10.0.0.6:22 nonsense\n";
  const cli::Result refused = rig.run({"plan", path});
  CHECK(refused.exit_code == 1);
  CHECK_THAT(refused.err, contains("has a line that is no accepted host key"));
}

TEST_CASE("a worker that is a machine cannot become another one under the same name") {
  const Rig rig;
  REQUIRE(rig.run({"apply", rig.spec(both), "--yes"}).exit_code == 0);
  const std::string moved = "control-plane: " + machine("ubuntu@10.0.0.6") + ", worker-3: " + machine("root@10.0.0.5");
  const cli::Result refused = rig.run({"plan", rig.spec(moved)});
  CHECK(refused.exit_code == 1);
  CHECK_THAT(refused.out, contains("one cannot become the other"));
}
