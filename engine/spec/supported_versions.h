// Which versions go together: what NVIDIA validates of its GPU Operator, see docs/versions.md.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "report/diagnostic.h"
#include "spec/spec.h"

namespace gpuplan {

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

// Adds a warning for a spec whose versions no line of the table has. A spec without GPUs for Kubernetes has none.
void warn_of_unsupported_versions(const Spec& spec, Diagnostics& diagnostics);

}  // namespace gpuplan
