// The step kind gpu-operator: NVIDIA's GPU Operator, once every worker is in the cluster.
#pragma once

#include "release.h"

namespace gpuplan::gpu_operator {

class GpuOperator : public StepKind {
 public:
  std::string_view kind() const override { return "gpu-operator"; }
  const Schema& schema() const override;
  std::vector<Resource> expand(const Spec& spec) const override;
  std::vector<CheckResult> check(const Resource& resource, const Spec& spec, const Prior& prior,
                                 HostReader& host) const override;
  Observation observe(const Resource& resource, const Prior& prior, HostReader& host) const override;
  void plan_removal(Change& change, const RemovalScope& scope) const override;
  Json capture(const Change& change, HostReader& host) const override;
  void withdraw(const Change& change, const Json& captured, const Json& origin, Host& host,
                StepContext& context) const override;
  void apply(const Change& change, const Json& captured, Host& host, StepContext& context) const override;
  void undo(Stage stage, const Change& change, const Json& captured, Host& host, StepContext& context) const override;
};

}  // namespace gpuplan::gpu_operator
