// gpuplan ssh, console and logs: what somebody does with the nodes of a cluster.
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "json/json.h"
#include "program.h"
#include "support/catch.h"

using gpuplan::Json;
using gpuplan::parse_json;

TEST_CASE("ssh NODE -- COMMAND prints what the command prints and ends as it does") {
  const cli::Place place;
  REQUIRE(place.run_sim({"apply", "specs/minimal.yaml", "--yes"}).exit_code == 0);
  const auto ssh = [&](std::vector<std::string> command, const std::string& node = "gpu-worker-1") {
    std::vector<std::string> words = {"ssh", node, "--host", "sim:" + place.host(), "--"};
    words.insert(words.end(), command.begin(), command.end());
    return place.run(words);
  };
  CHECK(ssh({"hostname"}).out == "gpu-worker-1\n");
  CHECK(ssh({"hostname"}, "worker-1").out == "gpu-worker-1\n");
  CHECK(ssh({"hostname"}, "control-plane").out == "gpu-control-plane\n");
  CHECK_THAT(ssh({"nvidia-smi", "-L"}).out, contains("GPU 1: NVIDIA H100 80GB HBM3 (UUID: GPU-"));
  const cli::Result missing = ssh({"cat", "/no/such/file"});
  CHECK(missing.exit_code == 1);
  CHECK(missing.out.empty());
  CHECK(missing.err == "cat: /no/such/file: No such file or directory\n");
  CHECK(ssh({"frob", "--help"}).exit_code == 127);
  // What stands behind -- are words of the command, whatever they look like.
  CHECK(ssh({"kubectl", "--kubeconfig", "/etc/kubernetes/admin.conf", "get", "nodes", "-o", "name"}, "control-plane")
            .out == "node/gpu-control-plane\nnode/gpu-worker-1\n");
}

TEST_CASE("ssh refuses what cannot be logged in to, in clear words") {
  const cli::Place place;
  CHECK_THAT(place.run_sim({"ssh", "gpu-worker-1"}).err, contains("there is no cluster in"));
  REQUIRE(place.run_sim({"apply", "specs/minimal.yaml", "--yes"}).exit_code == 0);
  const cli::Result interactive = place.run_sim({"ssh", "gpu-worker-1"});
  CHECK(interactive.exit_code == 1);
  place.expect_golden("ssh-simulated", interactive);
  CHECK_THAT(place.run_sim({"ssh", "gpu-worker-2"}).err, contains("did you mean gpu-worker-1?"));
  CHECK_THAT(place.run_sim({"ssh", "frob"}).err, contains("its nodes are gpu-control-plane, gpu-worker-1"));
  CHECK(place.run_sim({"ssh", "gpu-worker-1", "hostname"}).exit_code == 64);
  CHECK(place.run_sim({"ssh"}).exit_code == 64);
  CHECK(place.run_sim({"ssh", "gpu-worker-1", "--json"}).exit_code == 64);
  CHECK_THAT(place.run({"ssh", "gpu-worker-1", "--host", cli::busy_host, "--", "hostname"}).err,
             contains("is on another server"));
}

TEST_CASE("console prints what it has said, and is refused on a simulated server") {
  const cli::Place place;
  REQUIRE(place.run_sim({"apply", "specs/minimal.yaml", "--yes"}).exit_code == 0);
  const cli::Result log = place.run_sim({"console", "worker-1", "--log"});
  CHECK(log.exit_code == 0);
  CHECK_THAT(log.out, contains("gpu-worker-1 login: \n"));
  const cli::Result live = place.run_sim({"console", "gpu-worker-1"});
  CHECK(live.exit_code == 1);
  place.expect_golden("console-simulated", live);
  CHECK(place.run_sim({"console", "gpu-worker-1", "--json"}).exit_code == 64);
}

TEST_CASE("logs NODE prints what was installed on it") {
  const cli::Place place;
  REQUIRE(place.run_sim({"apply", "specs/minimal.yaml", "--yes"}).exit_code == 0);
  const std::string directory = place.state_dir() + "/clusters/gpu/logs";
  std::filesystem::remove_all(directory);
  const cli::Result nothing = place.run_sim({"logs", "gpu-worker-1"});
  CHECK(nothing.exit_code == 1);
  place.expect_golden("logs-of-node-missing", nothing);

  REQUIRE(mkdir(directory.c_str(), 0700) == 0);
  std::ofstream(directory + "/gpu-worker-1.log")
      << "Get:1 http://deb\r 50%\r100%\n\033[31mred\033[0m \033]0;title\a\n";
  const cli::Result log = place.run_sim({"logs", "worker-1"});
  CHECK(log.exit_code == 0);
  CHECK(log.out == cli::read_file(directory + "/gpu-worker-1.log"));  // no terminal: as it is
  CHECK_THAT(log.err, contains("/var/log/libvirt/qemu/gpu-worker-1-console.log"));
  const Json document = parse_json(place.run_sim({"logs", "gpu-worker-1", "--json"}).out, "logs --json");
  CHECK(document.at("text") == "Get:1 http://deb\n 50%\n100%\nred \\x1b]0;title\\x07\n");
  CHECK(document.at("console_log") == "/var/log/libvirt/qemu/gpu-worker-1-console.log");

  std::filesystem::remove(directory + "/gpu-worker-1.log");
  std::filesystem::create_symlink("/etc/passwd", directory + "/gpu-worker-1.log");
  const cli::Result link = place.run_sim({"logs", "gpu-worker-1"});
  CHECK(link.exit_code == 1);
  CHECK(link.out.empty());
}

TEST_CASE("logs ADDRESS tells what the last runs did in that step") {
  const cli::Place place;
  REQUIRE(
      place.run_sim({"apply", "specs/minimal.yaml", "--yes", "--fault", "worker-join/gpu-worker-1:fail"}).exit_code ==
      3);
  REQUIRE(place.run_sim({"apply", "specs/minimal.yaml", "--yes"}).exit_code == 0);
  const cli::Result log = place.run_sim({"logs", "worker-join/gpu-worker-1"});
  CHECK(log.exit_code == 0);
  place.expect_golden("logs-of-step", log);
  const Json document = parse_json(place.run_sim({"logs", "worker-join/gpu-worker-1", "--json"}).out, "logs --json");
  REQUIRE(document.at("runs").size() == 2);
  CHECK(document.at("runs").at(0).at("state") == "created");
  CHECK(document.at("runs").at(0).at("error").is_null());
  CHECK(document.at("runs").at(1).at("state") == "failed");
  CHECK_THAT(document.at("runs").at(1).at("error").get<std::string>(), contains("injected fault"));
  CHECK_THAT(place.run_sim({"logs", "worker-join/gpu-worker-2"}).err,
             contains("did you mean worker-join/gpu-worker-1?"));
  CHECK(place.run_sim({"logs", "Worker/"}).exit_code == 64);
}
