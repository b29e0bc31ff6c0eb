// What stands against a VM on this host.
#pragma once

#include <string>
#include <vector>

#include "declaration.h"
#include "plugin/step_kind.h"

namespace gpuplan::vm_define {

// The results for one resource, as they come.
struct Findings {
  const Resource& resource;
  std::vector<CheckResult> results;

  void add(CheckStatus status, std::string name, std::string found, std::string read_from, std::string remedy);
  void pass(std::string name, std::string found, std::string read_from);
  void fail(std::string name, std::string found, std::string read_from, std::string remedy);
};

// Network, bridge and storage: once per cluster, with its first VM.
void check_shared(const Vm& vm, const Spec& spec, HostReader& host, Findings& findings);

}  // namespace gpuplan::vm_define
