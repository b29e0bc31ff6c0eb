// The step kind vm-define: one virtual machine per resource.
#pragma once

#include <string>

#include "plugin/step_kind.h"
#include "shared.h"

namespace gpuplan::vm_define {

// Defines the cluster's VMs, gives them their GPUs, starts them, and takes them away again. The pool,
// the base images and the network come with the first VM and go with the last. Thread-safe.
class VmDefine : public StepKind {
 public:
  std::string_view kind() const override { return "vm-define"; }
  const Schema& schema() const override;
  std::vector<Resource> expand(const Spec& spec) const override;
  std::vector<CheckResult> check(const Resource& resource, const Spec& spec, const Prior& prior,
                                 HostReader& host) const override;
  Observation observe(const Resource& resource, const Prior& prior, HostReader& host) const override;
  Change compare(const Resource& resource, const Observation& observed, const Prior& prior) const override;
  void plan_removal(Change& change, const RemovalScope& scope) const override;
  std::optional<std::string> document(const Resource& resource, const Spec& spec, HostReader& host) const override;
  Json capture(const Change& change, HostReader& host) const override;
  void withdraw(const Change& change, const Json& captured, const Json& origin, Host& host,
                StepContext& context) const override;
  void apply(const Change& change, const Json& captured, Host& host, StepContext& context) const override;
  void commit(const Change& change, const Json& captured, const Json& origin, Host& host,
              StepContext& context) const override;
  void undo(Stage stage, const Change& change, const Json& captured, Host& host, StepContext& context) const override;

 private:
  mutable Shared shared_;
};

}  // namespace gpuplan::vm_define
