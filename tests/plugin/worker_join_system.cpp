// What worker-join says of the system that a worker runs.
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
        "warn node-system: GPU Operator 26.3 with Kubernetes 1.34 is not among the supported versions on Debian 12 of "
        "gpu-worker-1\n");
  CHECK(runs("gpu-worker-1", "ID=ubuntu\nVERSION_ID=\"24.04\"\n").empty());
  CHECK(runs("gpu-worker-2", "ID=debian\nVERSION_ID=\"12\"\n").empty());
  rig.host.machines.at("gpu-worker-1").silent = true;
  CHECK(runs("gpu-worker-1", "ID=debian\nVERSION_ID=\"12\"\n").empty());
}
