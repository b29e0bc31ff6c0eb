#include "control_plane.h"

#include <fmt/format.h>

#include <memory>

#include "cluster_common/kubeadm.h"
#include "host/guest_target.h"
#include "report/shell.h"
#include "spec/supported_versions.h"
#include "yaml/parse.h"

namespace gpuplan::k8s_init {
namespace {

constexpr const char* flannel_manifest =
    "https://github.com/flannel-io/flannel/releases/download/v0.28.5/kube-flannel.yml";
// kubeadm makes a first token whether one is wanted or not; left alone it would live for a day.
constexpr const char* first_token_ttl = "5m0s";

// kubeadm up to 1.21, and the first patches of 1.22 to 1.24, ask k8s.gcr.io, which is frozen and has no mirror. What they are
// told must name the place of CoreDNS, too: they look for it beside the others in every registry but that one.
// Sources: https://github.com/kubernetes/kubeadm/issues/2671, cmd/kubeadm/app/images/images.go of each version
constexpr int first_minor_with_registry = 25;
constexpr int first_minor_with_nested_coredns = 21;

void name_registry(Json& configuration, int minor) {
  if (minor >= first_minor_with_registry) return;
  configuration["imageRepository"] = "registry.k8s.io";
  if (minor >= first_minor_with_nested_coredns) configuration["dns"] = {{"imageRepository", "registry.k8s.io/coredns"}};
}

std::string text_in(const YamlNode& node, std::initializer_list<const char*> keys) {
  const YamlNode* current = &node;
  for (const char* key : keys) {
    if (current != nullptr) current = current->find(key);
  }
  return current == nullptr ? "" : current->text();
}

// kubeadm keeps its ClusterConfiguration as YAML text inside a ConfigMap.
ClusterFound read_configuration(const std::string& text) {
  Diagnostics ignored;
  const auto file = std::make_shared<const SourceFile>(SourceFile{"kubeadm-config", text});
  const YamlNode root = parse_yaml(file, ignored);
  ClusterFound found;
  found.name = text_in(root, {"clusterName"});
  found.version = text_in(root, {"kubernetesVersion"});
  found.endpoint = text_in(root, {"controlPlaneEndpoint"});
  found.pod_cidr = text_in(root, {"networking", "podSubnet"});
  found.service_cidr = text_in(root, {"networking", "serviceSubnet"});
  return found;
}

}  // namespace

ControlPlane ControlPlane::from(const Resource& resource) {
  ControlPlane out;
  out.node = resource.address.name();
  const std::string endpoint = resource.declared.text("endpoint");
  out.address = endpoint.substr(0, endpoint.find(':'));
  out.cluster = resource.declared.text("cluster");
  out.version = resource.declared.text("version");
  out.pod_cidr = resource.declared.text("pod_cidr");
  out.service_cidr = resource.declared.text("service_cidr");
  out.cni = resource.declared.text("cni", "none");
  out.login = resource.declared.text("login");
  out.mirrored_manifest = resource.declared.text("cni_manifest");
  return out;
}

GuestTarget ControlPlane::target() const {
  return target_from(node, address, login);
}

std::string ControlPlane::endpoint() const { return fmt::format("{}:{}", address, cluster::api_port); }

std::string ControlPlane::manifest() const {
  return mirrored_manifest.empty() ? cni_manifest(cni, version) : mirrored_manifest;
}

std::string cni_manifest(const std::string& cni, const std::string& kubernetes) {
  if (cni == "flannel") return flannel_manifest;
  const std::string_view calico = cni == "calico" ? calico_version(kubernetes) : "";
  if (calico.empty()) return {};
  return fmt::format("https://raw.githubusercontent.com/projectcalico/calico/{}/manifests/calico.yaml", calico);
}

std::string version_to_install(const ControlPlane& wanted, const std::string& kubeadm_version) {
  if (cluster::minor_version(wanted.version) != cluster::minor_version(kubeadm_version)) {
    throw HostError(
        HostError::Kind::refused, wanted.node,
        fmt::format("{} has kubeadm {}, the spec asks for Kubernetes {}: use an image with the packages of that "
                    "minor version, or change kubernetes.version",
                    wanted.node, kubeadm_version, wanted.version));
  }
  const bool is_exact = wanted.version.find('.') != wanted.version.rfind('.');
  return is_exact ? "v" + wanted.version : kubeadm_version;
}

std::string init_config(const ControlPlane& wanted, const std::string& kubeadm_version) {
  const int minor = cluster::minor_version(kubeadm_version);
  const std::string api_version = cluster::kubeadm_api_version(minor);
  const Json init = {
      {"apiVersion", api_version},
      {"kind", "InitConfiguration"},
      {"bootstrapTokens", Json::array({{{"ttl", first_token_ttl}, {"description", "made by kubeadm init"}}})},
      {"localAPIEndpoint", {{"advertiseAddress", wanted.address}, {"bindPort", cluster::api_port}}},
      {"nodeRegistration",
       {{"name", wanted.node},
        {"criSocket", cluster::cri_socket},
        {"kubeletExtraArgs", cluster::kubelet_arguments(minor, wanted.cluster, wanted.address)}}}};
  Json configuration = {
      {"apiVersion", api_version},
      {"kind", "ClusterConfiguration"},
      {"clusterName", wanted.cluster},
      {"controlPlaneEndpoint", wanted.endpoint()},
      {"kubernetesVersion", version_to_install(wanted, kubeadm_version)},
      {"networking", {{"podSubnet", wanted.pod_cidr}, {"serviceSubnet", wanted.service_cidr}}}};
  name_registry(configuration, minor);
  const Json kubelet = cluster::kubelet_configuration(minor);
  return to_yaml(init) + "---\n" + to_yaml(configuration) + (kubelet.is_null() ? "" : "---\n" + to_yaml(kubelet));
}

ClusterFound find_cluster(cluster::ClusterView& view) {
  const std::optional<Json> map = view.object("configmap", "kubeadm-config", "kube-system");
  if (!map) return {};
  ClusterFound found = read_configuration(string_at(*map, "/data/ClusterConfiguration"));
  for (const Json& daemonset : view.objects("daemonsets")) {
    const std::string name = string_at(daemonset, "/metadata/name");
    if (name == "kube-proxy") found.complete = true;  // kubeadm init's last act
    if (name == "calico-node") found.cni = "calico";
    if (name == "kube-flannel-ds") found.cni = "flannel";
  }
  return found;
}

std::string only_a_new_cluster(const std::string& old, const std::string& cluster) {
  return fmt::format("put {} back; only a new cluster can have another, and `{}` deletes everything that is stored in this one", old,
                     suggested("destroy --cluster " + cluster));
}

bool has_manifests(cluster::GuestView& guest) {
  return guest.has("/etc/kubernetes/manifests/kube-apiserver.yaml") || guest.has(cluster::admin_kubeconfig);
}

}  // namespace gpuplan::k8s_init
