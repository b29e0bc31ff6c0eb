#include "spec/supported_versions.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <iterator>
#include <sstream>

#include "json/json.h"

namespace gpuplan {
namespace {

// "26.3" for "26.3.2" and "v26.3.2".
std::string series_of(std::string_view version) {
  if (!version.empty() && version.front() == 'v') version.remove_prefix(1);
  const std::size_t dot = version.find('.');
  return std::string(version.substr(0, dot == std::string_view::npos ? dot : version.find('.', dot + 1)));
}

// X of "1.X" or "1.X.Y"; 0 for any other major version.
int minor_of(const std::string& version) {
  int minor = 0;
  return std::sscanf(version.c_str(), "1.%4d", &minor) == 1 ? minor : 0;
}

struct CalicoRelease {
  int first_minor;  // of Kubernetes
  std::string_view version;
  std::string_view registry;
};

// 3.32 has rules in its CRDs that ask for 1.29 (https://github.com/projectcalico/calico/pull/11863). 3.25 was tested with
// 1.23 to 1.28 (https://docs.tigera.io/calico/3.25/getting-started/kubernetes/requirements).
constexpr CalicoRelease calico_releases[] = {{29, "v3.32.0", "quay.io"}, {23, "v3.25.2", "docker.io"}};

CalicoRelease calico_for(std::string_view kubernetes) {
  const int minor = minor_of(std::string(kubernetes));
  for (const CalicoRelease& release : calico_releases) {
    if (minor == 0 || minor >= release.first_minor) return release;
  }
  return {};
}

bool needs_operator(const Spec& spec) {
  return spec.kubernetes.enabled && spec.gpu_operator.enabled && has_gpus(spec);
}

// Where the image is named, and its file's name.
const char* image_key(const Spec& spec) { return spec.image.path.empty() ? "image.url" : "image.path"; }
std::string image_file(const Spec& spec) {
  const std::string& source = spec.image.path.empty() ? spec.image.url : spec.image.path;
  return source.substr(source.rfind('/') + 1);
}

std::string described(const SupportedVersions& line) {
  return fmt::format("GPU Operator {} with Kubernetes 1.{} to 1.{} on {}", line.gpu_operator, line.kubernetes_first,
                     line.kubernetes_last, line.guest);
}

// The series that the spec asks for, "26.3".
std::string wanted_series(const Spec& spec) {
  return series_of(spec.gpu_operator.version.empty() ? default_gpu_operator_version : std::string_view(spec.gpu_operator.version));
}

bool covers(const SupportedVersions& line, const Spec& spec) {
  const int minor = minor_of(spec.kubernetes.version);
  return line.gpu_operator == wanted_series(spec) && minor >= line.kubernetes_first && minor <= line.kubernetes_last;
}

// The lines of one series, or if it has none of all.
std::string what_is_supported(const std::string& series) {
  std::string of_series, all;
  for (const SupportedVersions& line : supported_versions()) {
    const std::string text = described(line);
    all += (all.empty() ? "" : "; ") + text;
    if (line.gpu_operator == series) of_series += (of_series.empty() ? "" : "; ") + text;
  }
  return of_series.empty() ? all : of_series;
}

}  // namespace

const std::vector<SupportedVersions>& supported_versions() {
  static const std::vector<SupportedVersions> table = {
      {"26.3", 33, 36, "580", "Ubuntu 22.04"},
      {"26.3", 33, 36, "580", "Ubuntu 24.04"},
      {"26.7", 33, 36, "580", "Ubuntu 22.04"},
      {"26.7", 33, 37, "580", "Ubuntu 24.04"},
  };
  return table;
}

std::string system_of_image(std::string_view file_name) {
  constexpr std::pair<std::string_view, std::string_view> names[] = {
      {"jammy", "Ubuntu 22.04"},        {"ubuntu-22.04", "Ubuntu 22.04"}, {"noble", "Ubuntu 24.04"},
      {"ubuntu-24.04", "Ubuntu 24.04"}, {"focal", "Ubuntu 20.04"},        {"ubuntu-20.04", "Ubuntu 20.04"},
      {"bookworm", "Debian 12"},        {"debian-12", "Debian 12"},       {"trixie", "Debian 13"},
      {"debian-13", "Debian 13"},       {"bullseye", "Debian 11"},        {"debian-11", "Debian 11"},
  };
  for (const auto& [part, system] : names) {
    if (file_name.find(part) != std::string_view::npos) return std::string(system);
  }
  return {};
}

std::string system_of_os_release(const std::string& text) {
  std::istringstream lines(text);
  std::string name, version;
  for (std::string line; std::getline(lines, line);) {
    std::erase_if(line, [](char c) { return c == '"' || c == '\'' || c == '\r'; });
    if (line.rfind("ID=", 0) == 0) name = line.substr(3);
    if (line.rfind("VERSION_ID=", 0) == 0) version = line.substr(11);
  }
  if (name.empty()) return {};
  name.front() = static_cast<char>(std::toupper(static_cast<unsigned char>(name.front())));
  return printable(version.empty() ? name : name + " " + version);
}

std::string why_unsupported(const Spec& spec, const std::string& system) {
  if (system.empty() || !needs_operator(spec)) return {};
  for (const SupportedVersions& line : supported_versions()) {
    if (covers(line, spec) && line.guest == system) return {};
  }
  return fmt::format("GPU Operator {} with Kubernetes {} is not among the supported versions on {}", wanted_series(spec),
                     spec.kubernetes.version, system);
}

std::string why_driver_unsupported(const Spec& spec, const std::string& driver) {
  if (driver.empty() || !needs_operator(spec)) return {};
  std::string branches;
  for (const SupportedVersions& line : supported_versions()) {
    if (!covers(line, spec)) continue;
    if (driver.substr(0, driver.find('.')) == line.driver) return {};
    if (branches.find(line.driver) == std::string::npos) branches += fmt::format("{}{}", branches.empty() ? "" : ", ", line.driver);
  }
  if (branches.empty()) return {};  // of the other versions enough is said
  return fmt::format("driver {} with GPU Operator {} is not among the supported versions, whose branch is {}", printable(driver),
                     wanted_series(spec), branches);
}

std::string_view calico_version(std::string_view kubernetes) { return calico_for(kubernetes).version; }
std::string_view calico_registry(std::string_view kubernetes) { return calico_for(kubernetes).registry; }

void refuse_without_calico(const Spec& spec, Diagnostics& diagnostics) {
  if (!spec.kubernetes.enabled || spec.kubernetes.cni != "calico" || spec.mirrors.manifests.count("calico") > 0) return;
  if (!calico_version(spec.kubernetes.version).empty()) return;
  diagnostics.error(locate(spec, "kubernetes.version"),
                    fmt::format("the Calico that gpuplan installs does not run on Kubernetes {}: it needs 1.{}",
                                spec.kubernetes.version, std::end(calico_releases)[-1].first_minor),
                    "write a newer version, or kubernetes.cni: flannel, or none and install a pod network yourself; "
                    "mirrors.manifests.calico may name an older Calico");
}

void warn_of_missing_packages(const Spec& spec, Diagnostics& diagnostics) {
  const int minor = minor_of(spec.kubernetes.version);
  if (!spec.kubernetes.enabled || minor == 0) return;
  if (minor < first_packaged_kubernetes_minor && spec.mirrors.packages.count("kubernetes") == 0) {
    diagnostics.warning(locate(spec, "kubernetes.version"),
                        fmt::format("pkgs.k8s.io has no packages of Kubernetes {}: they begin at 1.{}", spec.kubernetes.version,
                                    first_packaged_kubernetes_minor),
                        fmt::format("use an image that has kubeadm, kubelet and kubectl {}, or a newer version",
                                    spec.kubernetes.version));
  }
  if (minor >= first_kubernetes_minor_with_containerd_2 && has_vms(spec) && system_of_image(image_file(spec)) == "Debian 12") {
    diagnostics.warning(locate(spec, image_key(spec)),
                        fmt::format("Kubernetes {} needs containerd 2, and Debian 12, which the image has by its name, has "
                                    "containerd 1.6", spec.kubernetes.version),
                        fmt::format("use an image with containerd 2, or kubernetes.version 1.{} or older",
                                    first_kubernetes_minor_with_containerd_2 - 1));
  }
}

void warn_of_unsupported_versions(const Spec& spec, Diagnostics& diagnostics) {
  if (!needs_operator(spec)) return;
  const std::string series = wanted_series(spec);
  const auto& table = supported_versions();
  const std::string next = "supported are " + what_is_supported(series);
  if (std::none_of(table.begin(), table.end(), [&](const auto& line) { return covers(line, spec); })) {
    const bool series_known = std::any_of(table.begin(), table.end(), [&](const auto& line) { return line.gpu_operator == series; });
    diagnostics.warning(locate(spec, series_known ? "kubernetes.version" : "gpu_operator.version"),
                        fmt::format("Kubernetes {} with GPU Operator {} is not among the supported versions",
                                    spec.kubernetes.version, series),
                        next);
    return;
  }
  const std::string against = why_unsupported(spec, system_of_image(image_file(spec)));
  if (!against.empty()) diagnostics.warning(locate(spec, image_key(spec)), against + ", which the image has by its name", next);
  const Json values = parse_json(spec.gpu_operator.values_json, "gpu_operator.values");
  const std::string against_driver = why_driver_unsupported(spec, string_at(values, "/driver/version"));
  if (!against_driver.empty()) diagnostics.warning(locate(spec, "gpu_operator.values"), against_driver, next);
}

}  // namespace gpuplan
