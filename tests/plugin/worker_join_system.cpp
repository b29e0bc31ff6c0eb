// What worker-join says of the system that a worker runs, and of its driver.
#include "fake_guest_host.h"
#include "support/catch.h"

using namespace gpuplan;
using namespace gpuplan::test;

TEST_CASE("worker-join: warns of a worker with GPUs whose system is outside the table of versions") {
  ClusterRig rig({4, 0});
  rig.spec.kubernetes.version = "1.34";
  const auto runs = [&](const std::string& node, const std::string& os_release) {
    rig.host.machines.at(node).disk.files["/etc/os-release"].content = os_release;
    return text_of(rig.check("worker-join/" + node));
  };
  CHECK(runs("gpu-worker-1", "ID=debian\nVERSION_ID=\"12\"\n") ==
        "warn node-system: gpu-worker-1: GPU Operator 26.3 with Kubernetes 1.34 is not among the supported versions on Debian 12\n");
  CHECK(runs("gpu-worker-1", "ID=ubuntu\nVERSION_ID=\"24.04\"\n").empty());
  CHECK(runs("gpu-worker-2", "ID=debian\nVERSION_ID=\"12\"\n").empty());
  rig.host.machines.at("gpu-worker-1").silent = true;
  CHECK(runs("gpu-worker-1", "ID=debian\nVERSION_ID=\"12\"\n").empty());
}

TEST_CASE("worker-join: warns of a driver on a worker that is outside the table of versions") {
  ClusterRig rig({4});
  rig.spec.kubernetes.version = "1.34";
  auto& files = rig.host.machines.at("gpu-worker-1").disk.files;
  files["/etc/os-release"].content = "ID=ubuntu\nVERSION_ID=\"24.04\"\n";
  files["/sys/module/nvidia/version"].content = "470.256.02\n";
  rig.spec.gpu_operator.driver = "operator";
  CHECK(text_of(rig.check("worker-join/gpu-worker-1")).empty());  // it brings its own
  rig.spec.gpu_operator.driver = "preinstalled";
  CHECK(text_of(rig.check("worker-join/gpu-worker-1")) ==
        "warn node-driver: gpu-worker-1: driver 470.256.02 with GPU Operator 26.3 is not among the supported versions, whose branch "
        "is 580\n");
  files["/sys/module/nvidia/version"].content = "580.95.05\n";
  CHECK(text_of(rig.check("worker-join/gpu-worker-1")).empty());
}
