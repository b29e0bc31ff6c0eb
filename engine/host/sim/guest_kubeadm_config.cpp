#include "host/sim/guest_kubeadm_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <vector>

#include "host/sim/guest_yaml.h"

namespace gpuplan::sim {
namespace {

struct ApiVersion {
  int first_minor;
  int last_minor;           // the last kubeadm that takes it
  const char* migrated_by;  // the kubeadm that a later one names to migrate it
};

// https://kubernetes.io/docs/reference/config-api/kubeadm-config.v1beta4/, and the changelogs of 1.22 and 1.27
const std::map<std::string, ApiVersion>& api_versions() {
  constexpr int last = 9999;
  static const std::map<std::string, ApiVersion> all = {{"v1beta1", {13, 21, "v1.15"}},
                                                        {"v1beta2", {15, 26, "v1.22"}},
                                                        {"v1beta3", {22, last, ""}},
                                                        {"v1beta4", {31, last, ""}}};
  return all;
}

// Those that not all versions have, by the first that has them.
const std::map<std::string, std::string>& first_version_with() {
  static const std::map<std::string, std::string> all = {
      {"patches", "v1beta3"},  {"skipPhases", "v1beta3"},         {"dryRun", "v1beta4"},
      {"timeouts", "v1beta4"}, {"proxy", "v1beta4"},              {"encryptionAlgorithm", "v1beta4"},
      {"certificateValidityPeriod", "v1beta4"},                   {"caCertificateValidityPeriod", "v1beta4"}};
  return all;
}

// https://kubernetes.io/docs/reference/config-api/kubeadm-config.v1beta4/
const std::map<std::string, std::set<std::string>>& known_fields() {
  static const std::map<std::string, std::set<std::string>> fields = {
      {"InitConfiguration",
       {"bootstrapTokens", "dryRun", "nodeRegistration", "localAPIEndpoint", "certificateKey", "skipPhases",
        "patches", "timeouts"}},
      {"ClusterConfiguration",
       {"etcd", "networking", "kubernetesVersion", "controlPlaneEndpoint", "apiServer", "controllerManager",
        "scheduler", "dns", "proxy", "certificatesDir", "imageRepository", "featureGates", "clusterName",
        "encryptionAlgorithm", "certificateValidityPeriod", "caCertificateValidityPeriod"}},
      {"JoinConfiguration",
       {"dryRun", "nodeRegistration", "caCertPath", "discovery", "controlPlane", "skipPhases", "patches",
        "timeouts"}}};
  return fields;
}

std::string group_version_kind(const std::string& version, const std::string& kind) {
  return fmt::format("schema.GroupVersionKind{{Group:\"kubeadm.k8s.io\", Version:\"{}\", Kind:\"{}\"}}", version,
                     kind);
}

// The list of v1beta4 and the map of v1beta3 are not interchangeable.
std::string problem_of_extra_args(const Json& document, const std::string& version) {
  const Json& arguments = member_at(document, "/nodeRegistration/kubeletExtraArgs");
  if (arguments.is_null()) return {};
  const bool fits = version == "v1beta4" ? arguments.is_array() : arguments.is_object();
  if (fits) return {};
  return fmt::format(
      "json: cannot unmarshal {} into Go struct field NodeRegistrationOptions.nodeRegistration.kubeletExtraArgs of "
      "type {}",
      arguments.is_array() ? "array" : "object", version == "v1beta4" ? "[]v1beta4.Arg" : "map[string]string");
}

std::string problem_of_version(const std::string& api_version, const std::string& version, const std::string& kind,
                               int minor) {
  const auto known = api_versions().find(version);
  if (known != api_versions().end() && minor >= known->second.first_minor && minor <= known->second.last_minor) return {};
  if (known != api_versions().end() && minor > known->second.last_minor) {
    return fmt::format(
        "your configuration file uses an old API spec: \"{}\" (kind: \"{}\"). Please use kubeadm {} instead "
        "and run 'kubeadm config migrate --old-config old-config-file --new-config new-config-file', which "
        "will write the new, similar spec using a newer API version.",
        api_version, kind, known->second.migrated_by);
  }
  return fmt::format(
      "no kind \"{}\" is registered for version \"{}\" in scheme "
      "\"k8s.io/kubernetes/cmd/kubeadm/app/apis/kubeadm/scheme/scheme.go:36\"",
      kind, api_version);
}

void read_document(const Json& document, int minor, KubeadmConfig& out) {
  const std::string api_version = string_at(document, "/apiVersion");
  const std::string kind = string_at(document, "/kind");
  const std::string group = "kubeadm.k8s.io/";
  if (api_version.empty() || kind.empty()) {
    out.error = "invalid configuration: kind and apiVersion is mandatory information that must be specified";
    return;
  }
  if (api_version.rfind(group, 0) != 0) {  // of the kubelet or kube-proxy: handed on
    out.by_kind[kind] = document;
    return;
  }
  const std::string version = api_version.substr(group.size());
  out.error = problem_of_version(api_version, version, kind, minor);
  if (!out.error.empty()) return;
  const auto fields = known_fields().find(kind);
  if (fields == known_fields().end()) {
    out.error = fmt::format("no kind \"{}\" is registered for version \"{}\"", kind, api_version);
    return;
  }
  for (const auto& [key, value] : document.items()) {
    const auto since = first_version_with().find(key);
    const bool is_too_new = since != first_version_with().end() && version < since->second;
    if (key == "apiVersion" || key == "kind" || (fields->second.count(key) > 0 && !is_too_new)) continue;
    out.warnings += fmt::format(
        "W0101 00:00:00.000000       1 initconfiguration.go:332] error unmarshaling configuration {}: "
        "strict decoding error: unknown field \"{}\"\n",
        group_version_kind(version, kind), key);
  }
  out.error = problem_of_extra_args(document, version);
  if (out.error.empty()) out.by_kind[kind] = document;
}

}  // namespace

const Json& KubeadmConfig::document(const std::string& kind) const {
  static const Json absent;
  const auto found = by_kind.find(kind);
  return found == by_kind.end() ? absent : found->second;
}

KubeadmConfig read_kubeadm_config(const GuestDisk& disk, const std::string& path, int kubeadm_minor) {
  KubeadmConfig out;
  const auto file = disk.files.find(path);
  if (file == disk.files.end()) {
    out.error = fmt::format("unable to read config from \"{0}\" : open {0}: no such file or directory", path);
    return out;
  }
  const std::vector<Json> documents = read_yaml_documents(file->second.content, out.error);
  for (const Json& document : documents) {
    if (!out.error.empty()) break;
    if (document.is_object())
      read_document(document, kubeadm_minor, out);
    else
      out.error = "invalid configuration: kind and apiVersion is mandatory information that must be specified";
  }
  const bool has_one_of_kubeadm = std::any_of(known_fields().begin(), known_fields().end(),
                                              [&](const auto& known) { return out.by_kind.count(known.first) > 0; });
  if (out.error.empty() && !has_one_of_kubeadm)
    out.error = "no InitConfiguration or ClusterConfiguration kind was found in the YAML file";
  return out;
}

Json registered_labels(const Json& document) {
  const Json& arguments = member_at(document, "/nodeRegistration/kubeletExtraArgs");
  std::string text = string_at(arguments, "/node-labels");
  if (arguments.is_array()) {
    for (const Json& argument : arguments) {
      if (string_at(argument, "/name") == "node-labels") text = string_at(argument, "/value");
    }
  }
  Json out = Json::object();
  std::size_t begin = 0;
  while (begin < text.size()) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    const std::string pair = text.substr(begin, end - begin);
    const std::size_t equals = pair.find('=');
    out[pair.substr(0, equals)] = equals == std::string::npos ? "" : pair.substr(equals + 1);
    begin = end + 1;
  }
  return out;
}

std::int64_t parse_go_duration(const std::string& text) {
  if (text == "0") return 0;
  std::int64_t total = 0;
  std::int64_t number = -1;
  for (const char c : text) {
    if (c >= '0' && c <= '9') {
      number = (number < 0 ? 0 : number * 10) + (c - '0');
      if (number > 1'000'000'000) return -1;
      continue;
    }
    const std::int64_t unit = c == 'h' ? 3600 : c == 'm' ? 60 : c == 's' ? 1 : -1;
    if (unit < 0 || number < 0) return -1;
    total += number * unit;
    number = -1;
  }
  return number >= 0 || text.empty() ? -1 : total;
}

}  // namespace gpuplan::sim
