// The step kind k8s-init: `kubeadm init` and a pod network on the control plane's VM.
#pragma once

#include "control_plane.h"

namespace gpuplan::k8s_init {

class K8sInit : public StepKind {
 public:
  std::string_view kind() const override { return "k8s-init"; }
  const Schema& schema() const override;
  std::vector<Resource> expand(const Spec& spec) const override;
  std::optional<std::string> document(const Resource& resource, const Spec& spec, HostReader& host) const override;
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

}  // namespace gpuplan::k8s_init
