#include "verify/test_pods.h"

#include <fmt/format.h>

#include <algorithm>

#include "host/interrupt.h"

namespace gpuplan::verify {
namespace {

constexpr const char* owner_label = "gpuplan.io/cluster";
constexpr std::chrono::seconds create_limit{60};
constexpr std::chrono::seconds delete_limit{90};
constexpr std::chrono::milliseconds poll_interval{2000};
// Seconds on the host's clock. An image of some hundred MB has to come first.
constexpr std::int64_t pod_limit = 300;
// How long a pod may be refused a node, or an image, before that counts as lasting.
constexpr std::int64_t unschedulable_limit = 30;
constexpr std::int64_t retry_limit = 60;
constexpr std::int64_t account_limit = 20;

void require_no_interrupt() {
  if (Interrupt::requested()) throw Interrupted();
}

HostError failure(const std::string& what, const CommandResult& result) {
  return HostError(HostError::Kind::failed, test_namespace, fmt::format("{}: {}", what, complaint_of(result)));
}

Json namespace_manifest(const std::string& cluster) {
  return {{"apiVersion", "v1"},
          {"kind", "Namespace"},
          {"metadata",
           {{"name", test_namespace},
            {"labels", {{owner_label, cluster}, {"pod-security.kubernetes.io/enforce", "baseline"}}}}}};
}

std::string waiting_reason(const Json& pod) {
  return string_at(pod, "/status/containerStatuses/0/state/waiting/reason");
}

bool is_unschedulable(const Json& pod) {
  for (const Json& condition : member_at(pod, "/status/conditions")) {
    if (string_at(condition, "/type") == "PodScheduled" && string_at(condition, "/status") == "False") return true;
  }
  return false;
}

// Whether waiting on is of no use after `waited` seconds.
bool is_hopeless(const Json& pod, std::int64_t waited) {
  if (waited > pod_limit) return true;
  if (is_unschedulable(pod)) return waited > unschedulable_limit;
  const std::string reason = waiting_reason(pod);
  if (reason == "InvalidImageName" || reason == "CreateContainerConfigError") return true;
  const bool may_pass = reason == "ErrImagePull" || reason == "ImagePullBackOff" || reason == "CreateContainerError";
  return may_pass && waited > retry_limit;
}

// A new namespace has no pods until the controllers have given it its service account.
CommandResult create(ClusterApi& api, const Json& list) {
  const std::int64_t began = api.host().clock().now();
  for (;;) {
    CommandResult result = api.run({"create", "-f", "-"}, list.dump(), create_limit);
    const bool too_early = result.errors.find("serviceaccount \"default\" not found") != std::string::npos;
    if (!too_early || api.host().clock().now() - began > account_limit) return result;
    require_no_interrupt();
    api.host().clock().sleep_for(poll_interval / 2);
  }
}

std::string log_of(ClusterApi& api, const std::string& pod) {
  const CommandResult result = api.ask({"logs", pod, "--namespace", test_namespace, "--tail=200"});
  return result.ok() ? result.output : std::string();
}

// The outcome of a pod in the state `pod`; nothing while it may still get on.
bool take_outcome(ClusterApi& api, const Json& pod, std::int64_t waited, PodOutcome& outcome) {
  const std::string phase = string_at(pod, "/status/phase");
  const bool ended = phase == "Succeeded" || phase == "Failed";
  outcome.pod = pod;
  if (!ended) return is_hopeless(pod, waited);
  outcome.end = phase == "Succeeded" ? PodEnd::succeeded : PodEnd::failed;
  outcome.log = log_of(api, string_at(pod, "/metadata/name"));
  return true;
}

}  // namespace

Json manifest_of(const TestPod& pod, const std::string& cluster) {
  Json tolerations = Json::array({{{"key", "nvidia.com/gpu"}, {"operator", "Exists"}}});
  for (const std::string& taint : pod.taints) tolerations.push_back({{"key", taint}, {"operator", "Exists"}});
  Json container = {
      {"name", "test"},
      {"image", sample_image},
      {"resources", {{"limits", {{"nvidia.com/gpu", std::to_string(pod.gpus)}}}}},
      // As root, for the GPUs' device files can be closed to others; without anything else of root's.
      {"securityContext", {{"allowPrivilegeEscalation", false}, {"capabilities", {{"drop", Json::array({"ALL"})}}}}}};
  if (!pod.command.empty()) container["command"] = pod.command;
  return {{"apiVersion", "v1"},
          {"kind", "Pod"},
          {"metadata", {{"name", pod.name}, {"namespace", test_namespace}, {"labels", {{owner_label, cluster}}}}},
          {"spec",
           {{"restartPolicy", "Never"},
            {"activeDeadlineSeconds", 2 * pod_limit},  // should gpuplan not be there to end it
            {"terminationGracePeriodSeconds", 1},
            {"automountServiceAccountToken", false},
            {"enableServiceLinks", false},
            {"nodeSelector", {{"kubernetes.io/hostname", pod.node}}},
            {"tolerations", tolerations},
            {"securityContext", {{"seccompProfile", {{"type", "RuntimeDefault"}}}}},
            {"containers", Json::array({container})}}}};
}

void TestNamespace::make() {
  const Json found = api_.object("namespaces", test_namespace);
  if (!found.is_null()) {
    const Json& labels = member_at(found, "/metadata/labels");
    if (!labels.contains(owner_label) || labels.at(owner_label) != cluster_) {
      throw HostError(HostError::Kind::refused, test_namespace,
                      fmt::format("the namespace {} exists already, without the label {}={}, so it is left alone",
                                  test_namespace, owner_label, cluster_));
    }
    remove();
  }
  made_ = true;  // from here on there may be something to remove
  const CommandResult result = create(api_, namespace_manifest(cluster_));
  if (!result.ok()) throw failure("the namespace for test pods cannot be made", result);
}

void TestNamespace::remove() {
  const CommandResult result = api_.run({"delete", "namespace", test_namespace, "--ignore-not-found", "--wait=true",
                                         fmt::format("--timeout={}s", delete_limit.count() - 15)},
                                        {}, delete_limit);
  if (!result.ok()) throw failure(fmt::format("the namespace {} cannot be removed", test_namespace), result);
}

TestNamespace::~TestNamespace() {
  if (!made_) return;
  try {
    remove();
  } catch (const HostError& error) {
    left_behind_ = error.what();
  }
}

std::vector<PodOutcome> run_pods(ClusterApi& api, const std::vector<TestPod>& pods, const std::string& cluster) {
  std::vector<PodOutcome> outcomes(pods.size());
  if (pods.empty()) return outcomes;
  require_no_interrupt();
  Json items = Json::array();
  for (const TestPod& pod : pods) items.push_back(manifest_of(pod, cluster));
  const CommandResult created = create(api, {{"apiVersion", "v1"}, {"kind", "List"}, {"items", items}});
  const std::int64_t began = api.host().clock().now();
  std::vector<bool> settled(pods.size(), false);
  for (bool first = true;; first = false) {
    require_no_interrupt();
    const std::vector<Json> present = api.objects("pods", fmt::format("--namespace={}", test_namespace));
    for (std::size_t i = 0; i < pods.size(); ++i) {
      const auto found = std::find_if(present.begin(), present.end(), [&](const Json& pod) {
        return string_at(pod, "/metadata/name") == pods[i].name;
      });
      if (settled[i]) continue;
      if (found != present.end()) {
        settled[i] = take_outcome(api, *found, api.host().clock().now() - began, outcomes[i]);
      } else {
        outcomes[i].error = first && !created.ok() ? complaint_of(created) : "somebody deleted it";
        settled[i] = true;
      }
    }
    if (std::all_of(settled.begin(), settled.end(), [](bool done) { return done; })) return outcomes;
    api.host().clock().sleep_for(poll_interval);
  }
}

}  // namespace gpuplan::verify
