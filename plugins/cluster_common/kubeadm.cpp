#include "cluster_common/kubeadm.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>

#include "cluster_common/cluster_view.h"
#include "cluster_common/provision.h"

namespace gpuplan::cluster {
namespace {

constexpr int first_minor_with_v1beta3 = 22;
constexpr int first_minor_with_v1beta4 = 31;
constexpr int first_minor_with_systemd = 22;  // as the cgroup driver that kubeadm gives to the kubelet

std::string without_v(const std::string& version) { return version.rfind('v', 0) == 0 ? version.substr(1) : version; }

}  // namespace

int minor_version(const std::string& version) {
  int minor = 0;
  return std::sscanf(without_v(version).c_str(), "1.%3d", &minor) == 1 ? minor : 0;
}

std::string version_like(const std::string& version, const std::string& like) {
  const std::string text = without_v(version);
  const auto dots = std::count(like.begin(), like.end(), '.');
  std::size_t end = 0;
  for (std::ptrdiff_t i = 0; i <= dots && end != std::string::npos; ++i) end = text.find('.', end + (i > 0 ? 1 : 0));
  return text.substr(0, end);
}

std::string kubeadm_api_version(int minor) {
  if (minor >= first_minor_with_v1beta4) return "kubeadm.k8s.io/v1beta4";
  return minor >= first_minor_with_v1beta3 ? "kubeadm.k8s.io/v1beta3" : "kubeadm.k8s.io/v1beta2";
}

Json kubelet_configuration(int minor) {
  if (minor >= first_minor_with_systemd) return {};
  return {{"apiVersion", "kubelet.config.k8s.io/v1beta1"}, {"kind", "KubeletConfiguration"}, {"cgroupDriver", "systemd"}};
}

Json kubelet_arguments(int minor, const std::string& cluster, const std::string& address) {
  const std::string labels = fmt::format("{}={}", owner_label, cluster);
  if (minor < first_minor_with_v1beta4) return {{"node-ip", address}, {"node-labels", labels}};
  return Json::array({{{"name", "node-ip"}, {"value", address}}, {{"name", "node-labels"}, {"value", labels}}});
}

std::string installed_kubeadm(GuestView& guest) {
  const std::vector<std::string> argv = {"kubeadm", "version", "-o", "short"};
  const CommandResult result = guest.query(argv);
  if (!result.ok()) throw guest_failure(guest.target().node, argv, result);
  return result.output.substr(0, result.output.find('\n'));
}

void reset_kubeadm(Guest& guest, StepContext& context) {
  context.progress(fmt::format("resetting kubeadm on {}", guest.target().node));
  guest.run({"kubeadm", "reset", "--force", "--cri-socket", cri_socket}, std::chrono::seconds(context.spec().timeouts.kubeadm));
  remove_pod_network(guest, context);
}

void remove_pod_network(Guest& guest, StepContext& context) {
  run_script(guest, {"pod_network", "removing the pod network", {}, {}}, context);
}

}  // namespace gpuplan::cluster
