#include "spec/supported_versions.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>

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

bool needs_operator(const Spec& spec) {
  return spec.kubernetes.enabled && spec.gpu_operator.enabled &&
         std::any_of(spec.workers.begin(), spec.workers.end(),
                     [](const WorkerSpec& worker) { return !worker.gpu_indexes.empty(); });
}

std::string described(const SupportedVersions& line) {
  return fmt::format("GPU Operator {} with Kubernetes 1.{} to 1.{} on {}", line.gpu_operator, line.kubernetes_first,
                     line.kubernetes_last, line.guest);
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

void warn_of_unsupported_versions(const Spec& spec, Diagnostics& diagnostics) {
  if (!needs_operator(spec)) return;
  const std::string series = series_of(spec.gpu_operator.version.empty() ? default_gpu_operator_version
                                                                         : std::string_view(spec.gpu_operator.version));
  const int minor = minor_of(spec.kubernetes.version);
  bool series_known = false;
  for (const SupportedVersions& line : supported_versions()) {
    if (line.gpu_operator != series) continue;
    series_known = true;
    if (minor >= line.kubernetes_first && minor <= line.kubernetes_last) return;
  }
  const SourceLocation where = locate(spec, series_known ? "kubernetes.version" : "gpu_operator.version");
  diagnostics.warning(where,
                      fmt::format("Kubernetes {} with GPU Operator {} is not among the supported versions",
                                  spec.kubernetes.version, series),
                      "supported are " + what_is_supported(series));
}

}  // namespace gpuplan
