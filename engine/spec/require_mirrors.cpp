// What a spec makes nodes fetch, and from where it is published.
#include <fmt/format.h>

#include "json/json.h"
#include "spec/sections.h"
#include "spec/supported_versions.h"

namespace gpuplan {
namespace {

class Requirements {
 public:
  Requirements(const SourceLocation& where, Diagnostics& diagnostics) : where_(where), diagnostics_(diagnostics) {}

  void need(bool is_there, std::string_view what, std::string_view from, std::string remedy) {
    if (is_there) return;
    diagnostics_.error(where_, fmt::format("mirrors.only: {} has no mirror, and would come from {}", what, from),
                       std::move(remedy));
  }

  void need(const std::map<std::string, std::string>& section, const char* section_name, const std::string& key,
            std::string_view what, std::string_view from) {
    need(section.count(key) > 0, what, from, fmt::format("add mirrors.{}.{}", section_name, key));
  }

 private:
  const SourceLocation& where_;
  Diagnostics& diagnostics_;
};

// The operator's driver container fetches packages of the distribution, unless it is told from where or has the
// modules.
bool driver_container_is_told(const std::string& values_json) {
  const Json values = parse_json(values_json, "gpu_operator.values");
  return !string_at(values, "/driver/repoConfig/configMapName").empty() || bool_at(values, "/driver/usePrecompiled");
}

void require_operator(const Spec& spec, Requirements& requirements) {
  const MirrorSpec& mirrors = spec.mirrors;
  requirements.need(mirrors.registries, "registries", "nvcr.io", "the registry of NVIDIA's images", "nvcr.io");
  requirements.need(mirrors.charts, "charts", "gpu-operator", "the GPU Operator's chart", "helm.ngc.nvidia.com");
  requirements.need(!mirrors.helm.empty(), "Helm", "get.helm.sh", "add mirrors.helm");
  if (spec.gpu_operator.driver == "preinstalled") {
    requirements.need(mirrors.packages, "packages", "nvidia", "NVIDIA's driver", "developer.download.nvidia.com");
  } else {
    requirements.need(
        driver_container_is_told(spec.gpu_operator.values_json), "what the operator's driver container installs",
        "the distribution's archive",
        "set gpu_operator.values.driver.repoConfig.configMapName or driver.usePrecompiled, or gpu_operator.driver: "
        "preinstalled");
  }
}

}  // namespace

void require_mirrors(const Spec& spec, const SourceLocation& where, Diagnostics& diagnostics) {
  Requirements requirements(where, diagnostics);
  const MirrorSpec& mirrors = spec.mirrors;
  const bool default_image = spec.image.path.empty() && spec.image.url == ImageSpec().url;
  requirements.need(!has_vms(spec) || !default_image, "the image of the VMs", "cloud-images.ubuntu.com",
                    "set image.path, or image.url and image.sha256");
  if (!spec.kubernetes.enabled) return;
  requirements.need(mirrors.has_distribution(), "the distribution of the nodes", "its archive",
                    "add mirrors.packages.ubuntu or mirrors.packages.debian");
  if (mirrors.packages.count("debian") > 0)
    requirements.need(mirrors.packages, "packages", "debian-security", "Debian's security archive",
                      "security.debian.org");
  requirements.need(!mirrors.time.empty(), "the time", "the distribution's NTP servers", "add mirrors.time");
  requirements.need(mirrors.packages, "packages", "kubernetes", "Kubernetes", "pkgs.k8s.io");
  requirements.need(mirrors.registries, "registries", "registry.k8s.io", "the registry of Kubernetes' images",
                    "registry.k8s.io");
  const std::string& cni = spec.kubernetes.cni;
  if (cni == "calico") {
    requirements.need(mirrors.manifests, "manifests", cni, "Calico's manifest", "raw.githubusercontent.com");
    const std::string registry(calico_registry(spec.kubernetes.version));
    if (!registry.empty())
      requirements.need(mirrors.registries, "registries", registry, "the registry of Calico's images", registry);
  } else if (cni == "flannel") {
    requirements.need(mirrors.manifests, "manifests", cni, "Flannel's manifest", "github.com");
    requirements.need(mirrors.registries, "registries", "ghcr.io", "the registry of Flannel's images", "ghcr.io");
  }
  if (spec.gpu_operator.enabled && has_gpus(spec)) require_operator(spec, requirements);
}

}  // namespace gpuplan
