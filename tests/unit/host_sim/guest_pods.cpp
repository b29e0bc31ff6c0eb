// Pods in a simulated cluster: what is refused, where they run, how they end.
#include "guest_world.h"
#include "support/catch.h"

using namespace gpuplan;
using namespace gpuplan::test;

namespace {

Json pod(const std::string& name, std::vector<std::string> command, int gpus, const std::string& node = "") {
  Json out = {{"apiVersion", "v1"},
              {"kind", "Pod"},
              {"metadata", {{"name", name}, {"namespace", "test"}, {"labels", {{"app", "test"}}}}},
              {"spec",
               {{"restartPolicy", "Never"},
                {"containers", Json::array({{{"name", "test"},
                                             {"image", "nvcr.io/nvidia/k8s/cuda-sample:vectoradd-cuda12.5.0"},
                                             {"command", std::move(command)},
                                             {"resources", {{"limits", {{"nvidia.com/gpu", gpus}}}}}}})}}}};
  if (!node.empty()) out["spec"]["nodeSelector"] = {{"kubernetes.io/hostname", node}};
  return out;
}

CommandResult create(World& world, const Json& manifest) {
  return world.feed("cp", kubectl + "create -f -", manifest.dump());
}

Json shown(World& world, const std::string& name) {
  const CommandResult result = world.ask("cp", kubectl + "get pod " + name + " -n test -o json");
  INFO(result.errors);
  REQUIRE(result.ok());
  return Json::parse(result.output);
}

std::string phase(World& world, const std::string& name) { return string_at(shown(world, name), "/status/phase"); }
std::string log(World& world, const std::string& name) {
  return world.ask("cp", kubectl + "logs " + name + " -n test").output;
}

// Two workers with the operator, and a namespace whose service account is there.
void make_gpu_cluster(World& world, const std::string& level = "") {
  make_cluster(world);
  join(world, "w1");
  join(world, "w2");
  REQUIRE(world
              .run("cp",
                   "helm upgrade --install gpu-operator gpu-operator --repo https://helm.ngc.nvidia.com/nvidia "
                   "--version v26.3.2 "
                   "--create-namespace" +
                       helm_flags)
              .ok());
  Json space = {{"apiVersion", "v1"}, {"kind", "Namespace"}, {"metadata", {{"name", "test"}}}};
  if (!level.empty()) space["metadata"]["labels"] = {{"pod-security.kubernetes.io/enforce", level}};
  REQUIRE(create(world, space).ok());
  world.time += 120;
}

}  // namespace

TEST_CASE("guest pods: a pod runs where the GPUs are and sees as many as it asked for") {
  World world;
  make_gpu_cluster(world);
  REQUIRE(create(world, pod("smi", {"nvidia-smi", "-L"}, 3, "w1")).ok());
  CHECK(phase(world, "smi") == "Pending");
  CHECK(string_at(shown(world, "smi"), "/spec/nodeName") == "w1");
  world.time += 10;
  shown(world, "smi");
  world.time += 10;
  CHECK(phase(world, "smi") == "Succeeded");
  CHECK_THAT(log(world, "smi"), contains("GPU 2: NVIDIA (UUID: GPU-"));
  CHECK_THAT(log(world, "smi"), !contains("GPU 3"));
}

TEST_CASE("guest pods: a taint keeps those away that do not tolerate it, in every respect") {
  World world;
  make_gpu_cluster(world);
  REQUIRE(world.run("cp", kubectl + "taint node w1 nvidia.com/gpu=present:NoSchedule").ok());
  const auto lands = [&](const std::string& name, const Json& tolerations) {
    Json manifest = pod(name, {"nvidia-smi"}, 1, "w1");
    manifest["spec"]["tolerations"] = tolerations;
    REQUIRE(create(world, manifest).ok());
    return string_at(shown(world, name), "/spec/nodeName") == "w1";
  };
  CHECK_FALSE(lands("none", Json::array()));
  CHECK_THAT(string_at(shown(world, "none"), "/status/conditions/0/message"), contains("1 node(s) had untolerated taint(s)"));
  CHECK_FALSE(lands("key", {{{"key", "nvidia.com"}, {"operator", "Exists"}}}));
  CHECK_FALSE(lands("value", {{{"key", "nvidia.com/gpu"}, {"value", "absent"}}}));
  CHECK_FALSE(lands("effect", {{{"key", "nvidia.com/gpu"}, {"operator", "Exists"}, {"effect", "NoExecute"}}}));
  CHECK(lands("exists", {{{"key", "nvidia.com/gpu"}, {"operator", "Exists"}}}));
  CHECK(lands("equal", {{{"key", "nvidia.com/gpu"}, {"value", "present"}, {"effect", "NoSchedule"}}}));
  CHECK(lands("all", {{{"operator", "Exists"}}}));
}

TEST_CASE("guest pods: GPUs that others hold are not given twice, and are given when they are free") {
  World world;
  make_gpu_cluster(world);
  REQUIRE(create(world, pod("holder", {"sleep", "100"}, 1, "w2")).ok());
  REQUIRE(create(world, pod("both", {"nvidia-smi", "-L"}, 2, "w2")).ok());
  world.time += 10;
  CHECK(phase(world, "holder") == "Running");
  const Json waiting = shown(world, "both");
  CHECK(string_at(waiting, "/status/conditions/0/reason") == "Unschedulable");
  CHECK_THAT(string_at(waiting, "/status/conditions/0/message"),
             contains("0/3 nodes are available: 1 Insufficient nvidia.com/gpu"));
  world.time += 120;
  CHECK(phase(world, "holder") == "Succeeded");
  CHECK(string_at(shown(world, "both"), "/spec/nodeName") == "w2");
}

TEST_CASE("guest pods: CUDA needs the fabric, nvidia-smi does not") {
  World world;
  make_gpu_cluster(world);
  world.guests.at("w1").cuda = false;
  Json sample = pod("sample", {}, 1, "w1");
  sample["spec"]["containers"][0].erase("command");
  REQUIRE(create(world, sample).ok());
  REQUIRE(create(world, pod("smi", {"nvidia-smi", "-L"}, 1, "w1")).ok());
  for (int i = 0; i < 3; ++i) {
    world.time += 5;
    shown(world, "sample");
  }
  CHECK(phase(world, "sample") == "Failed");
  CHECK_THAT(log(world, "sample"),
             contains("Failed to allocate device vector A (error code system not yet initialized)!"));
  CHECK(phase(world, "smi") == "Succeeded");
}

TEST_CASE("guest pods: a guest without a driver offers no GPUs, and its nvidia-smi says why") {
  World world;
  make_gpu_cluster(world);
  world.guests.at("w1").disk.state["driver_missing"] = true;
  CHECK(world.ask("w1", "nvidia-smi -L").exit_status == 9);
  CHECK_THAT(world.ask("w1", "nvidia-smi -L").output, contains("couldn't communicate with the NVIDIA driver"));
  REQUIRE(create(world, pod("smi", {"nvidia-smi", "-L"}, 1, "w1")).ok());
  CHECK_THAT(string_at(shown(world, "smi"), "/status/conditions/0/message"), contains("Insufficient nvidia.com/gpu"));
}

TEST_CASE("guest pods: an image that cannot be pulled keeps a pod waiting") {
  World world;
  make_gpu_cluster(world);
  world.guests.at("w1").disk.state["unreachable_registries"] = Json::array({"nvcr.io"});
  REQUIRE(create(world, pod("smi", {"nvidia-smi", "-L"}, 1, "w1")).ok());
  world.time += 10;
  const Json waiting = shown(world, "smi");
  CHECK(string_at(waiting, "/status/phase") == "Pending");
  CHECK(string_at(waiting, "/status/containerStatuses/0/state/waiting/reason") == "ImagePullBackOff");
  CHECK(world.ask("cp", kubectl + "logs smi -n test").exit_status == 1);
  world.guests.at("w1").disk.state.erase("unreachable_registries");
  for (int i = 0; i < 2; ++i) {
    world.time += 5;
    shown(world, "smi");
  }
  CHECK(phase(world, "smi") == "Succeeded");
}

TEST_CASE("guest pods: what an API server refuses is refused") {
  World world;
  make_gpu_cluster(world, "restricted");
  CHECK_THAT(create(world, pod("a", {"true"}, 1)).errors,
             contains("violates PodSecurity \"restricted:latest\": allowPrivilegeEscalation != false"));
  Json misspelt = pod("a", {"true"}, 1);
  misspelt["spec"]["containers"][0]["comand"] = "x";
  CHECK_THAT(create(world, misspelt).errors, contains("unknown field \"spec.containers.comand\""));
  Json elsewhere = pod("a", {"true"}, 1);
  elsewhere["metadata"]["namespace"] = "nowhere";
  CHECK_THAT(create(world, elsewhere).errors, contains("namespaces \"nowhere\" not found"));
  Json nameless = pod("", {"true"}, 1);
  CHECK_THAT(create(world, nameless).errors, contains("metadata.name: Required value"));
  CHECK_THAT(create(world, {{"apiVersion", "v1"}, {"kind", "Frob"}}).errors,
             contains("no matches for kind \"Frob\""));
  CHECK_THAT(world.feed("cp", kubectl + "create -f -", "a: [").errors, contains("error: "));
  // A namespace gets its service account a moment later, and until then no pods.
  REQUIRE(create(world, {{"apiVersion", "v1"}, {"kind", "Namespace"}, {"metadata", {{"name", "nowhere"}}}}).ok());
  CHECK_THAT(create(world, elsewhere).errors, contains("serviceaccount \"default\" not found"));
  world.time += 1;
  CHECK(create(world, elsewhere).ok());
  CHECK_THAT(create(world, elsewhere).errors, contains("AlreadyExists"));
}

TEST_CASE("guest pods: they go with their namespace") {
  World world;
  make_gpu_cluster(world);
  REQUIRE(create(world, pod("smi", {"nvidia-smi", "-L"}, 1, "w1")).ok());
  CHECK(world.ask("cp", kubectl + "get pods -n test -l app=test -o name").output == "pod/smi\n");
  CHECK(world.ask("cp", kubectl + "get pods -n test -l app=other -o name").output.empty());
  REQUIRE(world.run("cp", kubectl + "delete namespace test --wait=true --timeout=60s").ok());
  CHECK_FALSE(world.cluster().contains("pods"));
  CHECK(world.ask("cp", kubectl + "get pods -n test -o name").output.empty());
}
