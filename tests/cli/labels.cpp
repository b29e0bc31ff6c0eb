// Labels and taints of workers: what a plan says when they change.
#include "program.h"
#include "support/catch.h"

namespace {

std::string spec_with(const std::string& nodes) {
  return "gpus: [{pci_address: \"0000:0a:00.0\"}]\nworker_gpu_assignment: {worker-1: [0]}\nnodes: {worker-1: " + nodes + "}\n";
}

}  // namespace

TEST_CASE("labels and taints are planned key by key, and a second apply has nothing to do") {
  const cli::Place place;
  const auto declare = [&](const std::string& nodes) { return place.write("labelled.yaml", spec_with(nodes)); };
  const std::string path = declare("{labels: {tier: training, rack: a1}, taints: [{key: nvidia.com/gpu, effect: NoSchedule}]}");
  const cli::Result apply = place.run_sim({"apply", path, "--yes"});
  INFO(apply.err);
  REQUIRE(apply.exit_code == 0);
  CHECK(place.run_sim({"plan", path, "--detailed-exitcode"}).exit_code == 0);
  const auto kubectl = [&](const std::vector<std::string>& arguments) {
    std::vector<std::string> words = {"ssh", "control-plane", "--host", "sim:" + place.host(), "--", "kubectl", "--kubeconfig",
                                      "/etc/kubernetes/admin.conf"};
    words.insert(words.end(), arguments.begin(), arguments.end());
    return place.run(words);
  };
  REQUIRE(kubectl({"label", "node", "gpu-worker-1", "somebody=else"}).exit_code == 0);

  declare("{labels: {tier: inference}}");
  const cli::Result plan = place.run_sim({"plan", path});
  place.expect_golden("plan-labels", plan);
  REQUIRE(place.run_sim({"apply", path, "--yes"}).exit_code == 0);
  const std::string node = kubectl({"get", "node", "gpu-worker-1", "-o", "json"}).out;
  CHECK_THAT(node, contains("\"tier\": \"inference\""));
  CHECK_THAT(node, contains("\"somebody\": \"else\""));
  CHECK_THAT(node, !contains("rack"));
  CHECK_THAT(node, !contains("taints"));
  CHECK(place.run_sim({"plan", path, "--detailed-exitcode"}).exit_code == 0);

  declare("{taints: [{key: dedicated, effect: NoExecute}]}");
  const cli::Result refused = place.run_sim({"plan", path});
  CHECK(refused.exit_code == 1);
  CHECK_THAT(refused.out, contains("the GPU Operator's pods do not tolerate"));
}
