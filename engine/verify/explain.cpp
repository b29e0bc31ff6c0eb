#include "verify/explain.h"

#include <fmt/format.h>

#include <algorithm>
#include <initializer_list>
#include <sstream>

#include "plugin/waiting.h"
#include "report/diagnostic.h"

namespace gpuplan::verify {
namespace {

bool says(const std::string& text, std::initializer_list<const char*> phrases) {
  return std::any_of(phrases.begin(), phrases.end(),
                     [&](const char* phrase) { return text.find(phrase) != std::string::npos; });
}

std::string last_line_of(const std::string& text) {
  std::istringstream lines(text);
  std::string last;
  for (std::string line; std::getline(lines, line);) {
    if (line.find_first_not_of(" \t\r") != std::string::npos) last = line;
  }
  constexpr std::size_t longest = 200;
  // What is behind something stands at its end.
  return (last.size() > longest ? "… " : "") + printable(last.substr(last.size() - std::min(last.size(), longest)));
}

std::string on_guest(const VerifyRequest& request, const std::string& node, const std::string& command) {
  return fmt::format("`{}`",
                     request.suggest(fmt::format("ssh {} --cluster {}", node, request.cluster)) + " -- " + command);
}

std::string with_kubectl(const VerifyRequest& request, const std::string& arguments) {
  return on_guest(request, request.control_plane.node,
                  "kubectl --kubeconfig /etc/kubernetes/admin.conf " + arguments);
}

Explanation no_driver(const std::string& node, const VerifyRequest& request, std::string found) {
  if (request.driver_in_container) {
    return {
        std::move(found),
        "the NVIDIA driver is not loaded in the guest: the operator's driver container has not built or loaded it",
        fmt::format("look at it: {}",
                    with_kubectl(request, "logs -n gpu-operator -l app=nvidia-driver-daemonset --tail=50"))};
  }
  return {
      std::move(found),
      "the NVIDIA driver is not loaded in the guest, as after a reboot into a kernel for which no module was built",
      fmt::format("{} shows the modules; install linux-headers for that kernel, or boot the one before, and restart "
                  "the guest",
                  on_guest(request, node, "sh -c 'uname -r; dkms status'"))};
}

Explanation no_fabric(const std::string& node, const VerifyRequest& request, std::string found) {
  return {std::move(found),
          fmt::format("CUDA error 802, \"system not yet initialized\": the NVLink fabric of the GPUs of {} is not "
                      "initialised, for their "
                      "NVSwitch partition is not active",
                      node),
          fmt::format("on the host, see that nvidia-fabricmanager runs and which partitions are active (`fmpm -l`); "
                      "`{}` activates the "
                      "one of the VM",
                      request.suggest("apply " + request.spec))};
}

Explanation gpu_gone(const std::string& node, const VerifyRequest& request, std::string found) {
  return {std::move(found), fmt::format("a GPU is missing in the guest {}", node),
          fmt::format("{} tells if it fell off the bus (Xid 79); `{}` shows whether the VM still has all of its GPUs",
                      on_guest(request, node, "dmesg"), request.suggest("plan --explain " + request.spec)),
          true};
}

// The same pod once more, as a command whose output one sees. What kubectl run makes by itself asks for no GPU and may
// run anywhere.
std::string run_by_hand(const TestPod& pod, const VerifyRequest& request) {
  const Json manifest = manifest_of(pod, request.cluster);
  Json overrides = {{"apiVersion", "v1"}, {"spec", Json::object()}};
  for (const char* part : {"nodeSelector", "tolerations", "containers"})
    overrides["spec"][part] = manifest.at("spec").at(part);
  return with_kubectl(request, fmt::format("run test --attach --rm --restart=Never --image={} --overrides='{}'", sample_image,
                                           overrides.dump()));
}

// What the log of a container, or the runtime's message, points at; no reason if at nothing that is known.
Explanation explain_output(const TestPod& pod, const std::string& text, const VerifyRequest& request) {
  std::string found = last_line_of(text);
  if (says(text, {"system not yet initialized", "error code 802", "returned 802"}))
    return no_fabric(pod.node, request, found);
  if (says(text, {"driver not loaded", "Driver Not Loaded", "couldn't communicate with the NVIDIA driver"}))
    return no_driver(pod.node, request, found);
  if (says(text, {"no CUDA-capable device is detected", "No devices were found"}))
    return gpu_gone(pod.node, request, found);
  if (says(text, {"CUDA driver version is insufficient"})) {
    return {found, "the driver in the guest is older than what the sample's CUDA version needs (525)",
            "use an image with a newer driver, or `gpu_operator: {driver: operator}`"};
  }
  if (says(text, {"executable file not found"})) {
    return {found, "the container has no nvidia-smi, so the NVIDIA container toolkit did not put the driver into it",
            fmt::format("look at the toolkit: {}; or, where it is the node's own, `{} -- nvidia-ctk --version`",
                        with_kubectl(request, "logs -n gpu-operator -l app=nvidia-container-toolkit-daemonset --tail=50"),
                        request.suggest(fmt::format("ssh {} --cluster {}", pod.node, request.cluster)))};
  }
  return {found, "", fmt::format("run it by hand: {}", run_by_hand(pod, request))};
}

std::string scheduling_message(const Json& pod) {
  for (const Json& condition : member_at(pod, "/status/conditions")) {
    if (string_at(condition, "/type") == "PodScheduled" && string_at(condition, "/status") == "False")
      return string_at(condition, "/message");
  }
  return {};
}

Explanation explain_unscheduled(const TestPod& pod, const std::string& message, const VerifyRequest& request) {
  std::string found = printable(message);
  if (says(message, {"Insufficient nvidia.com/gpu"})) {
    return {found,
            fmt::format("{} has no {} free GPUs: others hold them, or its device plugin offers fewer", pod.node,
                        pod.gpus),
            fmt::format("{} shows who holds them", with_kubectl(request, fmt::format("describe node {}", pod.node)))};
  }
  if (says(message, {"unschedulable"})) {
    return {found, fmt::format("{} is cordoned", pod.node),
            with_kubectl(request, fmt::format("uncordon {}", pod.node))};
  }
  return {found, "no node takes the pod", with_kubectl(request, fmt::format("describe node {}", pod.node))};
}

Explanation explain_waiting(const TestPod& pod, const PodOutcome& outcome, const VerifyRequest& request) {
  if (const std::string message = scheduling_message(outcome.pod); !message.empty())
    return explain_unscheduled(pod, message, request);
  const std::string reason = string_at(outcome.pod, "/status/containerStatuses/0/state/waiting/reason");
  const std::string message = string_at(outcome.pod, "/status/containerStatuses/0/state/waiting/message");
  std::string found =
      printable(reason.empty() ? "it was still " + string_at(outcome.pod, "/status/phase", "Pending") : reason);
  if (says(reason, {"ImagePull", "InvalidImageName"})) {
    return {found + (message.empty() ? "" : ": " + last_line_of(message)),
            fmt::format("{} cannot pull the image {}", pod.node, sample_image),
            fmt::format("{} shows what stands between it and the registry: name resolution, a proxy, or a mirror "
                        "that lacks the image",
                        on_guest(request, pod.node, fmt::format("crictl pull {}", sample_image)))};
  }
  if (!message.empty()) {
    Explanation explained = explain_output(pod, message, request);
    if (!explained.reason.empty()) return explained;
  }
  return {found, "",
          fmt::format("look at what its kubelet waits for: {}",
                      on_guest(request, pod.node, "journalctl -u kubelet -n 50"))};
}

}  // namespace

std::size_t count_gpus(const std::string& text) {
  std::istringstream lines(text);
  std::size_t count = 0;
  for (std::string line; std::getline(lines, line);) {
    const bool is_gpu = line.rfind("GPU ", 0) == 0 && line.size() > 4 && line[4] >= '0' && line[4] <= '9';
    count += is_gpu ? 1U : 0U;
  }
  return count;
}

Explanation explain_pod(const TestPod& pod, const PodOutcome& outcome, const VerifyRequest& request) {
  if (!outcome.error.empty()) {
    return {outcome.error, "the pod could not be made",
            with_kubectl(request, fmt::format("get events -n {}", test_namespace))};
  }
  if (outcome.end == PodEnd::waiting) return explain_waiting(pod, outcome, request);
  const std::string message = string_at(outcome.pod, "/status/containerStatuses/0/state/terminated/message");
  // Of a pod that its node refused: there is no container then.
  const std::string refused = string_at(outcome.pod, "/status/message");
  for (const std::string& text : {outcome.log, message, refused}) {
    if (!text.empty()) return explain_output(pod, text, request);
  }
  const std::int64_t code = int_at(outcome.pod, "/status/containerStatuses/0/state/terminated/exitCode", -1);
  return explain_output(pod, fmt::format("exit code {}, without a word", code), request);
}

Explanation explain_count(const TestPod& pod, std::size_t seen, const VerifyRequest& request) {
  if (static_cast<std::int64_t>(seen) > pod.gpus) {
    return {fmt::format("nvidia-smi saw {} GPUs, the pod asked for {}", seen, pod.gpus),
            fmt::format("the container runtime of {} gives a pod every GPU: it does not do what the device plugin tells it by CDI", pod.node),
            "an image with containerd 1.7 or newer, or `gpu_operator: {values: {cdi: {enabled: false}}}`"};
  }
  return gpu_gone(pod.node, request, fmt::format("nvidia-smi saw {} of {} GPUs", seen, pod.gpus));
}

Explanation explain_gpus(const VerifiedWorker& worker, std::int64_t offered, const VerifyRequest& request,
                         Host& host) {
  const std::string& node = worker.target.node;
  const std::string found = fmt::format("{} of {}", offered, worker.gpus);
  if (offered > worker.gpus) {
    if (worker.target.is_machine()) {
      return {found, "the machine offers more than its `gpus` in the spec, or `gpu_operator.values` share them (MIG, time-slicing)",
              "correct `gpus` of the node in the spec"};
    }
    return {found,
            "the VM has GPUs that the spec does not give it, or `gpu_operator.values` share them (MIG, time-slicing)",
            fmt::format("`{}` shows the VM's GPUs", request.suggest("plan --explain " + request.spec))};
  }
  std::vector<std::string> argv = {"nvidia-smi", "-L"};
  if (request.driver_in_container) argv.insert(argv.begin(), {"chroot", "/run/nvidia/driver"});
  CommandResult result;
  try {
    result = host.guests().query(worker.target, {argv, {}, std::chrono::seconds(60)});
  } catch (const HostError& error) {
    return {found, error.what(),
            fmt::format("`{}` shows what it does",
                        request.suggest(fmt::format("console {} --log --cluster {}", node, request.cluster)))};
  }
  const std::string text = result.output + result.errors;
  if (result.exit_status == 127 || result.exit_status == 125) {
    return {found, fmt::format("{} has no nvidia-smi: there is no NVIDIA driver in it", node),
            "use an image with the driver, or `gpu_operator: {driver: operator}`"};
  }
  if (says(text, {"couldn't communicate with the NVIDIA driver", "Driver Not Loaded"}))
    return no_driver(node, request, found);
  const std::size_t seen = count_gpus(text);
  if (seen < static_cast<std::size_t>(worker.gpus)) {
    return gpu_gone(node, request, fmt::format("{}; nvidia-smi in the guest sees {}", found, seen));
  }
  return {found, fmt::format("the guest sees all {} GPUs, but the device plugin does not offer them", seen),
          fmt::format("look at {}{}", with_kubectl(request, "logs -n gpu-operator -l app=nvidia-device-plugin-daemonset --tail=50"),
                      or_more_time(request))};
}

std::string or_more_time(const VerifyRequest& request) {
  return request.patience.count() == 0 ? "" : "; " + more_time("verify", request.patience.count());
}

}  // namespace gpuplan::verify
