// Verifying a cluster of guests that run the simulated programs. What fails is really missing there.
#include "verify/verification.h"

#include <csignal>

#include "host/interrupt.h"
#include "plugin/fake_guest_host.h"
#include "support/catch.h"
#include "verify/explain.h"
#include "verify/test_pods.h"

using namespace gpuplan;
using namespace gpuplan::test;

namespace {

constexpr const char* worker = "gpu-worker-1";

// A cluster as `apply` makes it, with as many GPUs per worker.
class VerifyRig {
 public:
  explicit VerifyRig(const std::vector<std::size_t>& gpus = {4, 1}) : rig(gpus) {
    rig.apply_all();
    rig.host.time += 300;
    request.cluster = "gpu";
    request.control_plane = target("gpu-control-plane");
    for (const WorkerSpec& item : rig.spec.workers) {
      request.workers.push_back({target(item.name), static_cast<std::int64_t>(item.gpu_indexes.size())});
    }
    request.progress = [this](const std::string& what) { progress.push_back(what); };
    request.suggest = [](const std::string& words) { return "gpuplan " + words; };
  }

  Verification run() {
    Verification out = verify_cluster(request, rig.host);
    for (const VerifyResult& result : out.results) {
      UNSCOPED_INFO(to_string(result.status) << " " << result.check << " " << result.subject << ": " << result.found);
      CHECK_FALSE(result.found.empty());
      if (result.status == VerifyStatus::fail) CHECK_FALSE(result.next.empty());
    }
    CHECK_FALSE(rig.cluster_has("gpuplan-verify"));
    return out;
  }
  GuestTarget target(const std::string& node) {
    GuestTarget out;
    out.node = node;
    out.address = rig.host.machines.at(node).address;
    return out;
  }
  Json& disk(const std::string& node) { return rig.host.machines.at(node).disk.state; }
  CommandResult kubectl(const std::string& arguments, const Json& input = {}) {
    Command command;
    command.argv = {"kubectl", "--kubeconfig", "/etc/kubernetes/admin.conf"};
    std::istringstream words(arguments);
    for (std::string word; words >> word;) command.argv.push_back(word);
    if (!input.is_null()) command.standard_input = input.dump();
    return rig.host.guests().run(target("gpu-control-plane"), command);
  }

  struct Rig : ClusterRig {
    using ClusterRig::ClusterRig;
    bool cluster_has(const std::string& space) { return host.cluster().at("namespaces").contains(space); }
  } rig;
  VerifyRequest request;
  std::vector<std::string> progress;
};

const VerifyResult& result_of(const Verification& verification, const std::string& check, const std::string& node) {
  for (const VerifyResult& result : verification.results) {
    if (result.check == check && result.subject == node) return result;
  }
  FAIL("there is no result of " << check << " on " << node);
  return verification.results.front();
}

VerifyStatus status_of(const Verification& verification, const std::string& check, const std::string& node) {
  return result_of(verification, check, node).status;
}

Json holder(int gpus) {
  return {{"apiVersion", "v1"},
          {"kind", "Pod"},
          {"metadata", {{"name", "train-0"}, {"namespace", "default"}}},
          {"spec",
           {{"nodeSelector", {{"kubernetes.io/hostname", worker}}},
            {"containers", Json::array({{{"name", "train"},
                                         {"image", "nvcr.io/nvidia/pytorch:25.01-py3"},
                                         {"command", {"sleep", "1000000"}},
                                         {"resources", {{"limits", {{"nvidia.com/gpu", gpus}}}}}}})}}}};
}

}  // namespace

TEST_CASE("verify: a pod that sees more GPUs than it asked for is the runtime's doing, one that sees fewer is not") {
  verify::TestPod pod;
  pod.node = "gpu-worker-1";
  pod.gpus = 1;
  const verify::Explanation more = verify::explain_count(pod, 4, {});
  CHECK(more.found == "nvidia-smi saw 4 GPUs, the pod asked for 1");
  CHECK_THAT(more.reason, contains("the container runtime of gpu-worker-1 gives a pod every GPU"));
  CHECK_FALSE(more.gpu_is_missing);
  pod.gpus = 4;
  VerifyRequest request;
  request.suggest = [](const std::string& words) { return words; };
  CHECK(verify::explain_count(pod, 3, request).gpu_is_missing);
}

TEST_CASE("verify: a cluster that works passes every check") {
  VerifyRig rig;
  const Verification verification = rig.run();
  CHECK(verification.passed());
  CHECK(verification.left_behind.empty());
  std::vector<std::string> checks;
  for (const VerifyResult& result : verification.results) {
    CHECK(result.status == VerifyStatus::pass);
    checks.push_back(result.check + " " + result.subject);
  }
  CHECK(checks ==
        std::vector<std::string>{"api gpu-control-plane", "node-ready gpu-control-plane", "node-ready gpu-worker-1",
                                 "node-ready gpu-worker-2", "cluster-policy gpu-control-plane", "gpus gpu-worker-1",
                                 "gpu-label gpu-worker-1", "operator-validator gpu-worker-1", "gpus gpu-worker-2",
                                 "gpu-label gpu-worker-2", "operator-validator gpu-worker-2",
                                 "one-gpu-pod gpu-worker-1", "one-gpu-pod gpu-worker-2", "multi-gpu-pod gpu-worker-1",
                                 "cuda-vectoradd gpu-worker-1", "cuda-vectoradd gpu-worker-2"});
  CHECK(result_of(verification, "multi-gpu-pod", worker).found == "nvidia-smi saw 4 GPUs");
  CHECK_FALSE(rig.progress.empty());
}

TEST_CASE("verify: nodes that have just been rebooted are waited for, and the operator's pods on them") {
  VerifyRig rig;
  rig.request.patience = std::chrono::seconds(300);
  FakeGuest& control_plane = rig.rig.host.machines.at("gpu-control-plane");
  FakeGuest& rebooted = rig.rig.host.machines.at(worker);
  control_plane.silent = true;
  rebooted.running = false;
  rebooted.cuda = false;
  const std::int64_t began = rig.rig.host.time;
  rig.request.progress = [&](const std::string& what) {
    rig.progress.push_back(what);
    const std::int64_t passed = rig.rig.host.time - began;
    control_plane.silent = passed < 20;
    rebooted.running = passed >= 40;
    rebooted.cuda = passed >= 100;
  };
  CHECK(rig.run().passed());
  const std::int64_t waited = rig.rig.host.time - began;
  CHECK(waited >= 100);
  CHECK(waited < 120);
  const auto said = [&](const std::string& part) {
    return std::any_of(rig.progress.begin(), rig.progress.end(), [&](const std::string& what) { return what.find(part) == 0; });
  };
  CHECK(said("waiting up to 5m 00s for api on gpu-control-plane: gpu-control-plane does not answer"));
  CHECK(said("waiting up to 4m 40s for node-ready on gpu-worker-1: Kubelet stopped posting node status."));
  CHECK(said("waiting up to 4m 20s for cluster-policy on gpu-control-plane: notReady"));
}

TEST_CASE("verify: nothing is waited for longer than the spec says, nor what does not come by itself") {
  VerifyRig rig;
  rig.request.patience = std::chrono::seconds(300);
  const std::int64_t began = rig.rig.host.time;
  std::int64_t waited = 0;
  SECTION("a node that stays off") {
    rig.rig.host.machines.at("gpu-worker-2").running = false;
    waited = 300;
  }
  SECTION("an operator that stays as it is, of which it is said how to wait longer") {
    rig.rig.host.machines.at(worker).cuda = false;
    waited = 300;
    const Verification verification = rig.run();
    CHECK_THAT(result_of(verification, "cluster-policy", "gpu-control-plane").next,
               contains("; more time: `timeouts: {verify: 10m}` in the spec"));
    CHECK(verification.results.size() == 16);  // each check once, however often it was made
    CHECK(rig.rig.host.time - began >= waited);
    return;
  }
  SECTION("a worker that is no member") { REQUIRE(rig.kubectl("delete node gpu-worker-2").ok()); }
  SECTION("an operator that was never installed") {
    rig.rig.host.cluster()["crds"] = Json::array();
    rig.rig.host.cluster()["releases"] = Json::object();
  }
  CHECK_FALSE(rig.run().passed());
  CHECK(rig.rig.host.time - began >= waited);
  CHECK(rig.rig.host.time - began < waited + 60);
}

TEST_CASE("verify: nothing of the cluster is other than before") {
  VerifyRig rig;
  const Json before = rig.rig.host.cluster();
  rig.run();
  CHECK(rig.rig.host.cluster() == before);
}

TEST_CASE("verify: CUDA error 802 is told as an NVSwitch partition that is not active") {
  VerifyRig rig;
  rig.rig.host.machines.at(worker).cuda = false;
  const Verification verification = rig.run();
  CHECK_FALSE(verification.passed());
  CHECK(status_of(verification, "one-gpu-pod", worker) == VerifyStatus::pass);
  const VerifyResult& cuda = result_of(verification, "cuda-vectoradd", worker);
  CHECK(cuda.status == VerifyStatus::fail);
  CHECK_THAT(cuda.found, contains("system not yet initialized"));
  CHECK_THAT(cuda.reason, contains("CUDA error 802"));
  CHECK_THAT(cuda.reason, contains("NVSwitch partition is not active"));
  CHECK_THAT(cuda.next, contains("fmpm -l"));
  CHECK(status_of(verification, "cluster-policy", "gpu-control-plane") == VerifyStatus::fail);
  CHECK(status_of(verification, "operator-validator", worker) == VerifyStatus::fail);
  CHECK(status_of(verification, "cuda-vectoradd", "gpu-worker-2") == VerifyStatus::pass);
}

TEST_CASE("verify: a guest without a loaded driver is told as such") {
  VerifyRig rig;
  rig.disk(worker)["driver_missing"] = true;
  const Verification verification = rig.run();
  const VerifyResult& gpus = result_of(verification, "gpus", worker);
  CHECK(gpus.status == VerifyStatus::fail);
  CHECK(gpus.found == "0 of 4");
  CHECK_THAT(gpus.reason, contains("the NVIDIA driver is not loaded in the guest"));
  CHECK_THAT(gpus.next, contains("gpuplan ssh gpu-worker-1 --cluster gpu -- sh -c"));
  CHECK(result_of(verification, "one-gpu-pod", worker).found == "only 0 of 1 GPUs are allocatable");
  CHECK(status_of(verification, "one-gpu-pod", "gpu-worker-2") == VerifyStatus::pass);
}

TEST_CASE("verify: a GPU that is gone from the guest is told as such") {
  VerifyRig rig;
  rig.rig.host.machines.at(worker).gpus = 3;
  const Verification verification = rig.run();
  const VerifyResult& gpus = result_of(verification, "gpus", worker);
  CHECK(gpus.found == "3 of 4; nvidia-smi in the guest sees 3");
  CHECK(gpus.reason == "a GPU is missing in the guest gpu-worker-1");
  CHECK_THAT(gpus.next, contains("Xid 79"));
  CHECK(status_of(verification, "one-gpu-pod", worker) == VerifyStatus::pass);
  CHECK(result_of(verification, "multi-gpu-pod", worker).found == "only 3 of 4 GPUs are allocatable");
}

TEST_CASE("verify: an image that cannot be pulled") {
  VerifyRig rig;
  rig.disk(worker)["unreachable_registries"] = Json::array({"nvcr.io"});
  const Verification verification = rig.run();
  const VerifyResult& pod = result_of(verification, "one-gpu-pod", worker);
  CHECK(pod.status == VerifyStatus::fail);
  CHECK_THAT(pod.found, contains("ImagePullBackOff: "));
  CHECK_THAT(pod.reason, contains("cannot pull the image nvcr.io/nvidia/k8s/cuda-sample:vectoradd-cuda12.5.0"));
  CHECK_THAT(pod.next, contains("crictl pull"));
  CHECK(result_of(verification, "cuda-vectoradd", worker).found == "the pod of one-gpu-pod did not start");
  CHECK(status_of(verification, "cuda-vectoradd", "gpu-worker-2") == VerifyStatus::pass);
}

TEST_CASE("verify: GPUs that others use are left to them, and that is no failure") {
  VerifyRig rig;
  REQUIRE(rig.kubectl("create -f -", holder(2)).ok());
  const Verification verification = rig.run();
  CHECK(verification.passed());
  CHECK(status_of(verification, "one-gpu-pod", worker) == VerifyStatus::pass);
  const VerifyResult& all = result_of(verification, "multi-gpu-pod", worker);
  CHECK(all.status == VerifyStatus::skipped);
  CHECK(all.found == "2 of 4 GPUs are in use by default/train-0");
  CHECK(rig.kubectl("get pod train-0 -o name").output == "pod/train-0\n");
}

TEST_CASE("verify: GPUs that somebody takes in the meantime are insufficient ones") {
  VerifyRig rig;
  rig.rig.host.before_change = [&](const std::string& text) {
    if (text.find("create -f -") == std::string::npos || rig.rig.cluster_has("taken")) return;
    rig.rig.host.cluster()["namespaces"]["taken"] = {{"labels", Json::object()}};
    REQUIRE(rig.kubectl("create -f -", holder(4)).ok());
  };
  const Verification verification = rig.run();
  const VerifyResult& pod = result_of(verification, "one-gpu-pod", worker);
  CHECK(pod.status == VerifyStatus::fail);
  CHECK_THAT(pod.found, contains("Insufficient nvidia.com/gpu"));
  CHECK_THAT(pod.reason, contains("has no 1 free GPUs"));
  CHECK_THAT(pod.next, contains("describe node gpu-worker-1"));
}

TEST_CASE("verify: a cordoned node takes no test pods") {
  VerifyRig rig;
  REQUIRE(rig.kubectl("cordon gpu-worker-1").ok());
  const VerifyResult pod = result_of(rig.run(), "one-gpu-pod", worker);
  CHECK(pod.reason == "gpu-worker-1 is cordoned");
  CHECK_THAT(pod.next, contains("uncordon gpu-worker-1"));
}

TEST_CASE("verify: a worker that is off, one that never joined") {
  VerifyRig rig;
  rig.rig.host.machines.at(worker).running = false;
  REQUIRE(rig.kubectl("delete node gpu-worker-2").ok());
  const Verification verification = rig.run();
  CHECK(result_of(verification, "node-ready", worker).found == "Kubelet stopped posting node status.");
  CHECK(status_of(verification, "gpus", worker) == VerifyStatus::skipped);
  CHECK(status_of(verification, "one-gpu-pod", worker) == VerifyStatus::skipped);
  CHECK(result_of(verification, "node-ready", "gpu-worker-2").found == "it is not a member of the cluster");
}

TEST_CASE("verify: without an answer of the API everything else is skipped") {
  VerifyRig rig;
  rig.rig.host.machines.at("gpu-control-plane").silent = true;
  const Verification verification = verify_cluster(rig.request, rig.rig.host);
  CHECK_FALSE(verification.passed());
  CHECK(verification.results.size() == 4);
  CHECK_THAT(result_of(verification, "api", "gpu-control-plane").found,
             contains("gpu-control-plane does not answer"));
  CHECK(status_of(verification, "pods", "gpu-control-plane") == VerifyStatus::skipped);
}

TEST_CASE("verify: without the operator, and without GPUs") {
  VerifyRig rig;
  SECTION("nobody offers the GPUs") {
    rig.request.has_operator = false;
    const Verification verification = rig.run();
    CHECK(verification.passed());
    CHECK(status_of(verification, "gpus", "gpu-control-plane") == VerifyStatus::skipped);
  }
  SECTION("there are none") {
    for (VerifiedWorker& item : rig.request.workers) item.gpus = 0;
    const Verification verification = rig.run();
    CHECK(verification.passed());
    CHECK(verification.results.size() == 4);
  }
  SECTION("it was uninstalled") {
    REQUIRE(rig.rig.host.guests()
                .run(rig.target("gpu-control-plane"), {{"helm", "uninstall", "gpu-operator", "--kubeconfig",
                                                        "/etc/kubernetes/admin.conf", "--namespace", "gpu-operator"},
                                                       {}})
                .ok());
    const Verification verification = rig.run();
    CHECK(result_of(verification, "cluster-policy", "gpu-control-plane").found == "there is none");
    CHECK(result_of(verification, "gpus", worker).found == "0 of 4");
    CHECK_THAT(result_of(verification, "gpus", worker).reason,
               contains("the guest sees all 4 GPUs, but the device plugin"));
    CHECK(status_of(verification, "gpu-label", worker) == VerifyStatus::fail);
    CHECK(status_of(verification, "operator-validator", worker) == VerifyStatus::fail);
  }
}

TEST_CASE("verify: interrupted in the middle, it still removes its namespace") {
  VerifyRig rig;
  rig.rig.host.before_change = [&](const std::string& text) {
    if (text.find("create -f -") != std::string::npos && rig.rig.cluster_has("gpuplan-verify"))
      Interrupt::request(SIGINT);
  };
  CHECK_THROWS_AS(verify_cluster(rig.request, rig.rig.host), Interrupted);
  Interrupt::request(0);
  CHECK(rig.rig.host.changed("delete namespace gpuplan-verify"));
  CHECK_FALSE(rig.rig.cluster_has("gpuplan-verify"));
  CHECK_FALSE(rig.rig.host.cluster().contains("pods"));
}

TEST_CASE("verify: what a killed verification left is removed first") {
  VerifyRig rig;
  const Json space = {{"apiVersion", "v1"},
                      {"kind", "Namespace"},
                      {"metadata", {{"name", "gpuplan-verify"}, {"labels", {{"gpuplan.io/cluster", "gpu"}}}}}};
  REQUIRE(rig.kubectl("create -f -", space).ok());
  CHECK(rig.run().passed());
  CHECK(rig.rig.host.count("delete namespace gpuplan-verify") == 2);
}

TEST_CASE("verify: a namespace of that name that is somebody else's is left alone") {
  VerifyRig rig;
  REQUIRE(rig.kubectl("create namespace gpuplan-verify").ok());
  const Verification verification = verify_cluster(rig.request, rig.rig.host);
  const VerifyResult refused = result_of(verification, "pods", "gpu-control-plane");
  CHECK(refused.found == "the namespace gpuplan-verify exists already, without the label gpuplan.io/cluster=gpu, so it is left alone");
  CHECK_THAT(refused.next, contains("get all -n gpuplan-verify") && contains("delete namespace gpuplan-verify"));
  CHECK(rig.rig.cluster_has("gpuplan-verify"));
  CHECK_FALSE(rig.rig.host.changed("delete namespace"));
}

TEST_CASE("verify: a namespace that cannot be removed is told") {
  VerifyRig rig;
  rig.rig.host.before_change = [](const std::string& text) {
    if (text.find("delete namespace") != std::string::npos)
      throw HostError(HostError::Kind::unreachable, "x", "the line went dead");
  };
  const Verification verification = verify_cluster(rig.request, rig.rig.host);
  CHECK(verification.passed());
  CHECK_THAT(verification.left_behind, contains("the line went dead"));
}

TEST_CASE("verify: a pod that failed without a known reason is to be run by hand as it was: with GPUs, on its node") {
  VerifyRig rig;
  verify::PodOutcome outcome;
  outcome.end = verify::PodEnd::failed;
  outcome.log = "Killed\n";
  const verify::Explanation explained = verify::explain_pod({"cuda-vectoradd-w", "w", 1, {}, {}}, outcome, rig.request);
  CHECK(explained.found == "Killed");
  CHECK(explained.reason.empty());
  const std::size_t begin = explained.next.find("--overrides='");
  REQUIRE(begin != std::string::npos);
  const std::size_t json = begin + std::string("--overrides='").size();
  const Json overrides = parse_json(explained.next.substr(json, explained.next.find('\'', json) - json), "overrides");
  CHECK(member_at(overrides, "/spec/nodeSelector/kubernetes.io~1hostname") == "w");
  CHECK(member_at(overrides, "/spec/containers/0/resources/limits/nvidia.com~1gpu") == "1");
  CHECK(member_at(overrides, "/spec/tolerations/0/key") == "nvidia.com/gpu");
}

TEST_CASE("verify: a pod asks for nothing that it does not need") {
  const Json manifest = verify::manifest_of({"one-gpu-pod-w", "w", 3, {"nvidia-smi", "-L"}, {"dedicated"}}, "gpu");
  CHECK(member_at(manifest, "/spec/containers/0/resources/limits/nvidia.com~1gpu") == "3");
  CHECK(bool_at(manifest, "/spec/automountServiceAccountToken", true) == false);
  CHECK(bool_at(manifest, "/spec/containers/0/securityContext/allowPrivilegeEscalation", true) == false);
  CHECK(member_at(manifest, "/spec/containers/0/securityContext/capabilities/drop/0") == "ALL");
  CHECK(member_at(manifest, "/spec/tolerations/0/key") == "nvidia.com/gpu");
  CHECK(member_at(manifest, "/spec/tolerations/1/key") == "dedicated");
  CHECK(member_at(manifest, "/spec/restartPolicy") == "Never");
  CHECK(member_at(manifest, "/metadata/labels/gpuplan.io~1cluster") == "gpu");
}
