#include "verify/verification.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "host/interrupt.h"
#include "report/diagnostic.h"
#include "report/progress.h"
#include "verify/cluster_objects.h"
#include "verify/explain.h"

namespace gpuplan {

std::string_view to_string(VerifyStatus status) {
  switch (status) {
    case VerifyStatus::pass:
      return "pass";
    case VerifyStatus::fail:
      return "fail";
    case VerifyStatus::skipped:
      break;
  }
  return "skipped";
}

bool Verification::passed() const {
  return std::none_of(results.begin(), results.end(),
                      [](const VerifyResult& result) { return result.status == VerifyStatus::fail; });
}

namespace verify {
namespace {

constexpr const char* validator_prefix = "nvidia-operator-validator";
constexpr std::chrono::seconds pause{5};

// What is known of one worker when the test pods are due.
struct WorkerState {
  const VerifiedWorker* worker = nullptr;
  bool ready = false;
  std::int64_t offered = 0;
  std::vector<std::string> taints;  // keys that a test pod must tolerate
  std::string blocked;              // why no further pod is tried on it
};

class Verifier {
 public:
  Verifier(const VerifyRequest& request, Host& host)
      : request_(request), host_(host), api_(host, request.control_plane) {}

  Verification run() {
    if (ask_until_ready()) {
      if (wants_gpus()) guarded("pods", [&] { check_pods(); });
    } else {
      for (const char* check : {"nodes", "gpus", "pods"})
        add(check, cluster_node(), VerifyStatus::skipped, "the Kubernetes API does not answer");
    }
    return std::move(out_);
  }

 private:
  const std::string& cluster_node() const { return request_.control_plane.node; }
  std::int64_t planned_gpus() const {
    std::int64_t sum = 0;
    for (const VerifiedWorker& worker : request_.workers) sum += worker.gpus;
    return sum;
  }
  bool wants_gpus() const { return planned_gpus() > 0 && request_.has_operator; }
  void say(const std::string& what) const {
    if (Interrupt::requested()) throw Interrupted();
    if (request_.progress) request_.progress(what);
  }
  void add(std::string check, std::string subject, VerifyStatus status, std::string found, std::string reason = {},
           std::string next = {}) {
    out_.results.push_back(
        {std::move(check), std::move(subject), status, std::move(found), std::move(reason), std::move(next)});
  }
  void add_failure(std::string check, std::string subject, Explanation why) {
    if (why.gpu_is_missing) {
      const VerifiedWorker* worker = states_[subject].worker;
      std::optional<Explanation> on_host;
      if (worker != nullptr) on_host = explain_on_host(*worker, why.found, request_, host_);
      if (on_host) {
        why = std::move(*on_host);
        cannot_come_ = true;
      }
    }
    add(std::move(check), std::move(subject), VerifyStatus::fail, std::move(why.found), std::move(why.reason),
        std::move(why.next));
  }
  // A check that cannot even be made has failed.
  template <typename Body>
  void guarded(const char* check, const Body& body) {
    try {
      body();
    } catch (const HostError& error) {
      add(check, cluster_node(), VerifyStatus::fail, error.what(), "",
          fmt::format("`{}` tries again", request_.suggest("verify --cluster " + request_.cluster)));
    }
  }
  std::string kubectl(const std::string& arguments) const {
    return fmt::format("`{} -- kubectl --kubeconfig /etc/kubernetes/admin.conf {}`",
                       request_.suggest(fmt::format("ssh {} --cluster {}", cluster_node(), request_.cluster)),
                       arguments);
  }

  // What a reboot takes away comes back by itself, some of it after minutes. False if the API does not answer.
  bool ask_until_ready() {
    const std::int64_t until = host_.clock().now() + request_.patience.count();
    while (true) {
      out_ = {};
      states_.clear();
      say("asking the Kubernetes API");
      const bool answers = check_without_pods();
      const std::int64_t left = until - host_.clock().now();
      const auto failure = std::find_if(out_.results.begin(), out_.results.end(),
                                        [](const VerifyResult& result) { return result.status == VerifyStatus::fail; });
      if (failure == out_.results.end() || cannot_come_ || left <= 0) return answers;
      say(fmt::format("waiting up to {} for {} on {}: {}", format_whole_duration(left), failure->check, failure->subject,
                      failure->found));
      host_.clock().sleep_for(std::min(pause, std::chrono::seconds(left)));
    }
  }

  bool check_without_pods() {
    if (!check_api()) return false;
    guarded("nodes", [&] { check_nodes(); });
    if (wants_gpus()) {
      guarded("cluster-policy", [&] { check_policy(); });
      guarded("gpus", [&] { check_gpus(); });
    } else if (planned_gpus() > 0) {
      add("gpus", cluster_node(), VerifyStatus::skipped,
          "the spec has no GPU Operator, so that nothing offers the GPUs to Kubernetes");
    }
    return true;
  }

  bool check_api() {
    std::string found;
    try {
      const CommandResult result = api_.ask({"get", "--raw", "/readyz"});
      if (result.ok()) {
        add("api", cluster_node(), VerifyStatus::pass, "ready");
        return true;
      }
      found = complaint_of(result);
    } catch (const HostError& error) {
      found = error.what();
    }
    add("api", cluster_node(), VerifyStatus::fail, found, "",
        fmt::format(
            "`{}` shows how far its VM is; if that is off, `{}` starts it",
            request_.suggest(fmt::format("console {} --log --cluster {}", cluster_node(), request_.cluster)),
            request_.suggest("apply " + request_.spec)));
    return false;
  }

  void check_node(const std::string& name, const std::vector<Json>& nodes) {
    const auto node =
        std::find_if(nodes.begin(), nodes.end(), [&](const Json& item) { return name_of(item) == name; });
    if (node == nodes.end()) {
      add("node-ready", name, VerifyStatus::fail, "it is not a member of the cluster", "",
          fmt::format("`{}` makes it one", request_.suggest("apply " + request_.spec)));
      cannot_come_ = true;
      return;
    }
    const Json& ready = ready_condition(*node);
    const bool is_ready = string_at(ready, "/status") == "True";
    if (const auto state = states_.find(name); state != states_.end()) {
      state->second.ready = is_ready;
      state->second.offered = gpus_in(member_at(*node, "/status/allocatable"));
      for (const Json& taint : member_at(*node, "/spec/taints")) {
        const std::string key = string_at(taint, "/key");
        if (key.rfind("node.kubernetes.io/", 0) != 0 && key != gpu_resource) state->second.taints.push_back(key);
      }
    }
    if (is_ready) {
      add("node-ready", name, VerifyStatus::pass, "Ready");
      return;
    }
    add("node-ready", name, VerifyStatus::fail,
        printable(string_at(ready, "/message", "its kubelet has not reported yet")), "",
        fmt::format("see that the VM runs, then look at its kubelet: `{} -- journalctl -u kubelet -n 50`",
                    request_.suggest(fmt::format("ssh {} --cluster {}", name, request_.cluster))));
  }

  void check_nodes() {
    nodes_ = api_.objects("nodes");
    for (const VerifiedWorker& worker : request_.workers) states_[worker.target.node].worker = &worker;
    check_node(cluster_node(), nodes_);
    for (const VerifiedWorker& worker : request_.workers) check_node(worker.target.node, nodes_);
  }

  void check_policy() {
    say("asking the GPU Operator");
    const std::string again = fmt::format("look at its pods: {}{}", kubectl("get pods -n gpu-operator"), or_more_time(request_));
    if (api_.object("customresourcedefinitions", "clusterpolicies.nvidia.com").is_null()) {
      add("cluster-policy", cluster_node(), VerifyStatus::fail, "the GPU Operator is not installed", "",
          fmt::format("`{}` installs it", request_.suggest("apply " + request_.spec)));
      cannot_come_ = true;
      return;
    }
    const std::vector<Json> policies = api_.objects("clusterpolicies.nvidia.com");
    const std::string state =
        policies.empty() ? "there is none" : string_at(policies.front(), "/status/state", "no state yet");
    if (state == "ready")
      add("cluster-policy", cluster_node(), VerifyStatus::pass, state);
    else
      add("cluster-policy", cluster_node(), VerifyStatus::fail, printable(state),
          "a part of the GPU Operator is not ready", again);
  }

  void check_validator(const std::string& node, const std::vector<Json>& pods) {
    const auto pod = std::find_if(pods.begin(), pods.end(), [&](const Json& item) {
      return name_of(item).rfind(validator_prefix, 0) == 0 && string_at(item, "/spec/nodeName") == node;
    });
    if (pod == pods.end()) {
      add("operator-validator", node, VerifyStatus::fail, "there is no pod of it on the node",
          "the operator takes the node for one without GPUs, or its other parts are not ready",
          kubectl("get pods -n gpu-operator -o wide"));
      return;
    }
    const std::string phase = string_at(*pod, "/status/phase");
    bool ready = phase == "Running";
    for (const Json& container : member_at(*pod, "/status/containerStatuses"))
      ready = ready && bool_at(container, "/ready", true);
    if (ready) {
      add("operator-validator", node, VerifyStatus::pass, phase);
      return;
    }
    const std::string in = string_at(*pod, "/metadata/namespace", "gpu-operator");
    add("operator-validator", node, VerifyStatus::fail, printable(phase),
        "the driver, the toolkit, CUDA or the device plugin does not work there; the test pods below may tell which",
        kubectl(fmt::format("logs -n {} {} --all-containers", in, name_of(*pod))));
  }

  void check_gpus() {
    pods_ = api_.objects("pods", "--all-namespaces");
    for (const VerifiedWorker& worker : request_.workers) {
      const std::string& name = worker.target.node;
      const WorkerState& state = states_[name];
      if (!state.ready) {
        add("gpus", name, VerifyStatus::skipped, "the node is not Ready");
        continue;
      }
      if (worker.gpus == 0 && worker.target.is_machine())
        add("gpus", name, VerifyStatus::pass, fmt::format("{} allocatable, none declared", state.offered));
      else if (state.offered == worker.gpus)
        add("gpus", name, VerifyStatus::pass, fmt::format("{} of {} allocatable", state.offered, worker.gpus));
      else
        add_failure("gpus", name, explain_gpus(worker, state.offered, request_, host_));
      if (worker.gpus == 0) continue;
      const auto node =
          std::find_if(nodes_.begin(), nodes_.end(), [&](const Json& item) { return name_of(item) == name; });
      const Json& labels = member_at(*node, "/metadata/labels");
      const bool labelled =
          labels.contains("nvidia.com/gpu.present") && labels.at("nvidia.com/gpu.present") == "true";
      if (labelled)
        add("gpu-label", name, VerifyStatus::pass, "nvidia.com/gpu.present=true");
      else
        add("gpu-label", name, VerifyStatus::fail, "nvidia.com/gpu.present is not set",
            "node-feature-discovery has not seen an NVIDIA GPU on the node",
            kubectl("get pods -n gpu-operator -l app.kubernetes.io/name=node-feature-discovery"));
      check_validator(name, pods_);
    }
  }

  // GPUs of the node that pods of others hold, and the name of one of those.
  std::int64_t held_gpus(const std::string& node, std::string& by) const {
    std::int64_t sum = 0;
    for (const Json& pod : pods_) {
      const std::string in = string_at(pod, "/metadata/namespace");
      if (string_at(pod, "/spec/nodeName") != node || has_ended(pod) || in == test_namespace) continue;
      std::int64_t of_pod = 0;
      for (const Json& container : member_at(pod, "/spec/containers"))
        of_pod += gpus_in(member_at(container, "/resources/limits"));
      if (of_pod > 0) by = in + "/" + name_of(pod);
      sum += of_pod;
    }
    return sum;
  }

  // One kind of pod on each worker where it can run; the others are skipped with the reason.
  void test(const char* check, const std::vector<std::string>& command, bool all_gpus) {
    std::vector<TestPod> pods;
    for (const VerifiedWorker& worker : request_.workers) {
      const std::string& node = worker.target.node;
      WorkerState& state = states_[node];
      if (worker.gpus == 0 || (all_gpus && worker.gpus == 1)) continue;
      const std::int64_t wanted = all_gpus ? worker.gpus : 1;
      std::string by;
      const std::int64_t held = held_gpus(node, by);
      std::string why = state.blocked;
      if (!state.ready)
        why = "the node is not Ready";
      else if (why.empty() && state.offered < wanted)
        why = fmt::format("only {} of {} GPUs are allocatable", state.offered, wanted);
      else if (why.empty() && state.offered - held < wanted)
        why = fmt::format("{} of {} GPUs are in use by {}", held, state.offered, printable(by));
      if (!why.empty())
        add(check, node, VerifyStatus::skipped, why);
      else
        pods.push_back({fmt::format("{}-{}", check, node), node, wanted, command, state.taints});
    }
    if (pods.empty()) return;
    say(fmt::format("running {} on {}", check,
                    pods.size() == 1 ? pods.front().node : fmt::format("{} workers", pods.size())));
    const std::vector<PodOutcome> outcomes = run_pods(api_, pods, request_.cluster);
    for (std::size_t i = 0; i < pods.size(); ++i) judge(check, pods[i], outcomes[i], !command.empty());
  }

  void judge(const char* check, const TestPod& pod, const PodOutcome& outcome, bool counts) {
    if (outcome.end != PodEnd::succeeded) {
      add_failure(check, pod.node, explain_pod(pod, outcome, request_));
      if (outcome.end == PodEnd::waiting)
        states_[pod.node].blocked = fmt::format("the pod of {} did not start", check);
      return;
    }
    if (!counts) {
      const bool passed = outcome.log.find("Test PASSED") != std::string::npos;
      if (passed)
        add(check, pod.node, VerifyStatus::pass, "Test PASSED");
      else
        add_failure(check, pod.node, explain_pod(pod, outcome, request_));
      return;
    }
    const std::size_t seen = count_gpus(outcome.log);
    if (seen == static_cast<std::size_t>(pod.gpus))
      add(check, pod.node, VerifyStatus::pass, fmt::format("nvidia-smi saw {} GPU{}", seen, seen == 1 ? "" : "s"));
    else
      add_failure(check, pod.node, explain_count(pod, seen, request_));
  }

  // False, with a failed check, if somebody else has the namespace.
  bool make(TestNamespace& room) {
    try {
      room.make();
      return true;
    } catch (const HostError& error) {
      if (error.kind() != HostError::Kind::refused) throw;
      add("pods", cluster_node(), VerifyStatus::fail, error.what(), "",
          fmt::format("look at what is in it: {}; if nobody needs that: {}",
                      kubectl(fmt::format("get all -n {}", test_namespace)),
                      kubectl(fmt::format("delete namespace {}", test_namespace))));
      return false;
    }
  }

  void check_pods() {
    const bool any = std::any_of(request_.workers.begin(), request_.workers.end(), [&](const VerifiedWorker& worker) {
      return worker.gpus > 0 && states_[worker.target.node].ready && states_[worker.target.node].offered > 0;
    });
    const auto run_tests = [&] {
      test("one-gpu-pod", {"nvidia-smi", "-L"}, false);
      test("multi-gpu-pod", {"nvidia-smi", "-L"}, true);
      test("cuda-vectoradd", {}, false);
    };
    if (!any) return run_tests();  // all are skipped, and each says why
    TestNamespace room(api_, request_.cluster, out_.left_behind);
    if (!make(room)) return;
    run_tests();
    say("removing the test pods");
  }

  const VerifyRequest& request_;
  Host& host_;
  ClusterApi api_;
  Verification out_;
  std::vector<Json> nodes_;
  std::vector<Json> pods_;
  std::map<std::string, WorkerState> states_;
  bool cannot_come_ = false;  // something failed that waiting does not mend
};

}  // namespace
}  // namespace verify

Verification verify_cluster(const VerifyRequest& request, Host& host) {
  return verify::Verifier(request, host).run();
}

}  // namespace gpuplan
