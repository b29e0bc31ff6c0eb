// The step kind node-prepare: what a node, VM or machine, has to have before kubeadm runs on it.
#pragma once

#include "plugin/step_kind.h"

namespace gpuplan::node_prepare {

class NodePrepare : public StepKind {
 public:
  std::string_view kind() const override { return "node-prepare"; }
  const Schema& schema() const override;
  std::vector<Resource> expand(const Spec& spec) const override;
  std::vector<CheckResult> check(const Resource& resource, const Spec& spec, const Prior& prior,
                                 HostReader& host) const override;
  Observation observe(const Resource& resource, const Prior& prior, HostReader& host) const override;
  Change compare(const Resource& resource, const Observation& observed, const Prior& prior) const override;
  void plan_removal(Change& change, const RemovalScope& scope) const override;
  Json capture(const Change& change, HostReader& host) const override;
  void withdraw(const Change& change, const Json& captured, const Json& origin, Host& host,
                StepContext& context) const override;
  void apply(const Change& change, const Json& captured, Host& host, StepContext& context) const override;
  void undo(Stage stage, const Change& change, const Json& captured, Host& host, StepContext& context) const override;
};

}  // namespace gpuplan::node_prepare
