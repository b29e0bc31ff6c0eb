// Which versions go together: what NVIDIA validates of its GPU Operator, see docs/versions.md.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "report/diagnostic.h"
#include "spec/spec.h"

namespace gpuplan {

// X of 1.X: the oldest Kubernetes whose kubeadm is configured here, and the first that pkgs.k8s.io has packages of.
inline constexpr int oldest_kubernetes_minor = 20;
inline constexpr int first_packaged_kubernetes_minor = 24;
inline constexpr int first_kubernetes_minor_with_containerd_2 = 36;

// The Calico whose manifest goes with that Kubernetes, "v3.32.0"; empty if none that is known does. Pure.
std::string_view calico_version(std::string_view kubernetes);
// Where its images come from.
std::string_view calico_registry(std::string_view kubernetes);

// The chart that is installed if the spec names none.
inline constexpr std::string_view default_gpu_operator_version = "26.3.2";

// One line of the table. Kubernetes versions are 1.X.
struct SupportedVersions {
  std::string_view gpu_operator;  // a series: "26.3"
  int kubernetes_first;           // X of the first and the last version
  int kubernetes_last;
  std::string_view driver;        // the branch that scripts/guest/nvidia.sh installs
  std::string_view guest;         // the operating system of the nodes
};
const std::vector<SupportedVersions>& supported_versions();

// "Ubuntu 24.04" for "noble-server-cloudimg-amd64.img"; empty for a name that does not tell. Pure.
std::string system_of_image(std::string_view file_name);
// "Ubuntu 24.04" for the text of an os-release(5) file of it; empty if it names no system. Pure.
std::string system_of_os_release(const std::string& text);
// What stands against GPU nodes with that system, as a sentence: empty if a line of the table has it, if it is empty, or
// if the spec has no GPUs for Kubernetes. Pure.
std::string why_unsupported(const Spec& spec, const std::string& system);
// What stands against that version of NVIDIA's driver ("570.86.10"), in the same way. Pure.
std::string why_driver_unsupported(const Spec& spec, const std::string& driver);

// Adds an error for a spec with a Kubernetes that no Calico is known for, unless it has a manifest of its own.
void refuse_without_calico(const Spec& spec, Diagnostics& diagnostics);
// Adds a warning for a spec whose nodes cannot be set up with the packages that there are of Kubernetes, or of containerd
// for the system that the image has by its name.
void warn_of_missing_packages(const Spec& spec, Diagnostics& diagnostics);
// Adds a warning for a spec whose versions, whose image by its name, or whose driver in gpu_operator.values no line of the
// table has. A spec without GPUs for Kubernetes has none.
void warn_of_unsupported_versions(const Spec& spec, Diagnostics& diagnostics);

}  // namespace gpuplan
