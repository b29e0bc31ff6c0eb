// Helm and the GPU Operator on a simulated guest.
#include <algorithm>

#include "guest_world.h"
#include "support/catch.h"

using namespace gpuplan;
using namespace gpuplan::test;

namespace {

const std::string install =
    "helm upgrade --install gpu-operator gpu-operator --repo https://helm.ngc.nvidia.com/nvidia --version v26.3.2" +
    helm_flags;

std::string allocatable(World& world, const std::string& node) {
  const CommandResult result = world.ask("cp", kubectl + "get node " + node + " -o json");
  REQUIRE(result.ok());
  const Json shown = Json::parse(result.output);
  return shown.at("status").at("allocatable").value("nvidia.com/gpu", std::string());
}

World with_operator() {
  World world;
  make_cluster(world);
  join(world, "w1");
  join(world, "w2");
  REQUIRE(world.run("cp", kubectl + "create namespace gpu-operator").ok());
  const CommandResult result = world.run("cp", install);
  INFO(result.errors);
  REQUIRE(result.ok());
  return world;
}

}  // namespace

TEST_CASE("guest helm: GPUs become allocatable when the operator's pods have had their time") {
  World world = with_operator();
  CHECK(allocatable(world, "w1").empty());
  CHECK_THAT(world.ask("cp", kubectl + "get clusterpolicies.nvidia.com -o json").output, contains("notReady"));
  world.time += 60;
  CHECK(allocatable(world, "w1") == "4");
  CHECK(allocatable(world, "w2") == "2");
  CHECK(allocatable(world, "cp").empty());
  CHECK_THAT(world.ask("cp", kubectl + "get clusterpolicies.nvidia.com -o json").output,
             contains("\"state\": \"ready\""));
  world.guests.at("w1").gpus = 3;
  CHECK(allocatable(world, "w1") == "3");
  world.guests.at("w1").running = false;
  CHECK(allocatable(world, "w1").empty());
}

TEST_CASE("guest helm: a node without CUDA offers its GPUs, but the operator's validator does not finish") {
  World world = with_operator();
  world.guests.at("w2").cuda = false;
  world.time += 60;
  CHECK(allocatable(world, "w2") == "2");
  CHECK_THAT(world.ask("cp", kubectl + "get clusterpolicies.nvidia.com -o json").output, contains("notReady"));
  CHECK(world.ask("w2", "nvidia-smi -L").ok());
  CHECK(world.ask("w2", "deviceQuery").output ==
        "cudaGetDeviceCount returned 802\n-> system not yet initialized\nResult = FAIL\n");
  CHECK(world.ask("w1", "deviceQuery").output == "Detected 4 CUDA Capable device(s)\nResult = PASS\n");
  world.guests.at("w2").cuda = true;
  CHECK_THAT(world.ask("cp", kubectl + "get clusterpolicies.nvidia.com -o json").output,
             contains("\"state\": \"ready\""));
}

TEST_CASE("guest helm: list, get values, history") {
  World world = with_operator();
  const Json list = Json::parse(world.ask("cp", "helm list -o json" + helm_flags).output);
  REQUIRE(list.size() == 1);
  CHECK(list.at(0).at("chart") == "gpu-operator-v26.3.2");
  CHECK(list.at(0).at("revision") == "1");
  CHECK(world.ask("cp", "helm get values gpu-operator -o json" + helm_flags).output == "null\n");
  world.put("cp", "/root/values.yaml", "driver:\n  enabled: false\nreplicas: 2\nname: \"2\"\n");
  REQUIRE(world.run("cp", install + " --values /root/values.yaml").ok());
  CHECK(world.ask("cp", "helm get values gpu-operator -o json" + helm_flags).output ==
        "{\"driver\":{\"enabled\":false},\"name\":\"2\",\"replicas\":2}\n");
  const Json history = Json::parse(world.ask("cp", "helm history gpu-operator -o json" + helm_flags).output);
  REQUIRE(history.size() == 2);
  CHECK(history.at(0).at("revision") == 1);
  CHECK(history.at(0).at("status") == "superseded");
  CHECK(history.at(1).at("revision") == 2);
  CHECK(history.at(1).at("status") == "deployed");
  CHECK(history.at(1).at("chart") == "gpu-operator-v26.3.2");
  CHECK(world.ask("cp", "helm history other -o json" + helm_flags).errors == "Error: release: not found\n");
  CHECK(world.ask("cp", "helm get metadata gpu-operator -o json" + helm_flags).errors ==
        "Error: unknown command \"metadata\" for \"helm get\"\n");  // only Helm 3.13 and newer have it
}

TEST_CASE("guest helm: uninstall leaves the CRDs") {
  World world = with_operator();
  CHECK(world.run("cp", "helm uninstall gpu-operator --wait" + helm_flags).ok());
  CHECK(world.run("cp", "helm uninstall gpu-operator" + helm_flags).errors ==
        "Error: uninstall: Release not loaded: gpu-operator: release: not found\n");
  CHECK_THAT(world.ask("cp", kubectl + "get crd -o name").output,
             contains("customresourcedefinition/clusterpolicies.nvidia.com\n"));
  CHECK(world.run("cp", kubectl + "delete crd clusterpolicies.nvidia.com").ok());
  CHECK(world.ask("cp", kubectl + "get clusterpolicies.nvidia.com").exit_status == 1);
}

TEST_CASE("guest helm: refuses what it cannot do, in Helm's words") {
  World world;
  CHECK_THAT(world.run("cp", install).errors,
             contains("Error: Kubernetes cluster unreachable: stat /etc/kubernetes/admin.conf"));
  make_cluster(world);
  CHECK(world.run("cp", install).errors ==
        "Error: create: failed to create: namespaces \"gpu-operator\" not found\n");
  CHECK(world.run("cp", install + " --frob").errors == "Error: unknown flag: --frob\n");
  CHECK(world.run("cp", "helm frob").errors ==
        "Error: unknown command \"frob\" for \"helm\"\nRun 'helm --help' for usage.\n");
  CHECK(world.run("cp", install + " --values /root/none.yaml --create-namespace").errors ==
        "Error: open /root/none.yaml: no such file or directory\n");
  CHECK_THAT(world.run("cp", "helm upgrade --install a gpu-operator --repo https://example.com" + helm_flags).errors,
             contains("is not a valid chart repository or cannot be reached"));
  CHECK_THAT(
      world.run("cp", "helm upgrade --install a other --repo https://helm.ngc.nvidia.com/nvidia" + helm_flags).errors,
      contains("chart \"other\" not found"));
  CHECK_THAT(
      world
          .run("cp", "helm upgrade --install a gpu-operator --version 1 --repo https://helm.ngc.nvidia.com/nvidia" +
                         helm_flags)
          .errors,
      contains("version \"1\" not found"));
  CHECK(
      world.run("cp", "helm upgrade a gpu-operator --repo https://helm.ngc.nvidia.com/nvidia" + helm_flags).errors ==
      "Error: UPGRADE FAILED: \"a\" has no deployed releases\n");
}

TEST_CASE("guest helm: a release whose last operation was cut short is locked") {
  World world = with_operator();
  world.cluster()["releases"]["gpu-operator/gpu-operator"]["status"] = "pending-upgrade";
  CHECK(world.run("cp", install).errors ==
        "Error: UPGRADE FAILED: another operation (install/upgrade/rollback) is in progress\n");
  CHECK(world.run("cp", "helm rollback gpu-operator" + helm_flags).exit_status ==
        1);  // there is no revision before the first
  world.cluster()["releases"]["gpu-operator/gpu-operator"]["status"] = "deployed";
  REQUIRE(world.run("cp", install).ok());
  world.cluster()["releases"]["gpu-operator/gpu-operator"]["status"] = "pending-upgrade";
  CHECK(world.run("cp", "helm rollback gpu-operator" + helm_flags).ok());
  CHECK(world.run("cp", install).ok());
  world.cluster()["releases"]["gpu-operator/gpu-operator"]["status"] = "uninstalling";
  CHECK(world.run("cp", install).errors == "Error: UPGRADE FAILED: \"gpu-operator\" has no deployed releases\n");
  CHECK(world.run("cp", "helm uninstall gpu-operator" + helm_flags).ok());
  CHECK(world.run("cp", install).ok());
}

TEST_CASE("guest helm: as a query it reads and nothing else") {
  World world = with_operator();
  CHECK_THROWS_AS(world.ask("cp", install), HostError);
  CHECK_THROWS_AS(world.ask("cp", "helm uninstall gpu-operator" + helm_flags), HostError);
  CHECK(world.ask("cp", "helm version").ok());
}

TEST_CASE("guest: the small programs") {
  World world;
  world.put("w1", "/etc/a/b", "text");
  CHECK(world.ask("w1", "test -e /etc/a/b").exit_status == 0);
  CHECK(world.ask("w1", "test -d /etc/a").exit_status == 0);
  CHECK(world.ask("w1", "test -f /etc/a").exit_status == 1);
  CHECK(world.ask("w1", "test -e /etc/c").exit_status == 1);
  CHECK(world.ask("w1", "cat /etc/a/b").output == "text");
  CHECK(world.ask("w1", "hostname").output == "w1\n");
  CHECK(world.ask("w1", "cloud-init status --wait").output == "status: done\n");
  const std::string listed = world.ask("w1", "nvidia-smi -L").output;
  CHECK(std::count(listed.begin(), listed.end(), '\n') == 4);
  CHECK_THAT(listed, contains("GPU 3: NVIDIA (UUID: GPU-"));
  CHECK(world.ask("cp", "nvidia-smi").exit_status == 9);
}
