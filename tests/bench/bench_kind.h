// A step kind that costs nothing itself, so that what is measured is the engine.
#pragma once

#include <atomic>
#include <cstddef>
#include <vector>

#include "plugin/step_kind.h"

namespace bench {

using namespace gpuplan;

// Declares graph_shape(count). Its resources exist in memory only: those of `present` from the start,
// all others once they are applied.
class BenchKind : public StepKind {
 public:
  enum class Present { none, all };
  BenchKind(std::size_t count, Present present);

  std::string_view kind() const override { return "bench"; }
  const Schema& schema() const override;
  std::vector<Resource> expand(const Spec& spec) const override;
  std::vector<CheckResult> check(const Resource& resource, const Spec& spec, const Prior& prior,
                                 HostReader& host) const override;
  Observation observe(const Resource& resource, const Prior& prior, HostReader& host) const override;
  Json capture(const Change& change, HostReader& host) const override;
  void apply(const Change& change, const Json& captured, Host& host, StepContext& context) const override;
  void undo(Stage stage, const Change& change, const Json& captured, Host& host, StepContext& context) const override;

 private:
  mutable std::vector<std::atomic<bool>> present_;  // by node: what the host of other step kinds is
};

}  // namespace bench
