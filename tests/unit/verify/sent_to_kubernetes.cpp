// Not a test by itself: prints what gpuplan sends to Kubernetes' programs during the life of a cluster, a JSON object a line,
// for tests/kubernetes to show it to the real ones.
#include <iostream>

#include "plugin/fake_guest_host.h"
#include "support/catch.h"
#include "verify/verification.h"

using namespace gpuplan;
using namespace gpuplan::test;

TEST_CASE("what is sent to Kubernetes", "[.sent]") {
  ClusterRig rig({4, 1});
  rig.spec.workers.front().labels = {{"pool", "training"}};
  rig.spec.workers.front().taints = {{"nvidia.com/gpu", "present", "NoSchedule"}};
  rig.apply_all();
  rig.host.time += 300;

  VerifyRequest request;
  request.cluster = "gpu";
  request.control_plane = {"gpu-control-plane", rig.host.machines.at("gpu-control-plane").address};
  for (const WorkerSpec& worker : rig.spec.workers)
    request.workers.push_back({{worker.name, rig.host.machines.at(worker.name).address}, worker.gpu_count()});
  request.suggest = [](const std::string& words) { return words; };
  CHECK(verify_cluster(request, rig.host).passed());

  rig.spec.workers.front().labels.clear();
  rig.spec.workers.front().taints.clear();
  rig.apply("worker-join/gpu-worker-1");
  rig.withdraw(rig.removal("gpu-operator/gpu-operator"));
  rig.withdraw(rig.removal("worker-join/gpu-worker-1"));
  rig.withdraw(rig.removal("k8s-init/gpu-control-plane"));

  for (const Command& command : rig.host.commands) {
    if (command.argv.front() != "kubectl") continue;
    std::cout << Json{{"argv", command.argv}, {"input", command.standard_input}}.dump() << "\n";
  }
}
