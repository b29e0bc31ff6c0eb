#include "plugin/step_kind.h"

#include <fmt/format.h>

namespace gpuplan {
namespace {

// Only a plugin that plans a stage without implementing it gets here.
[[noreturn]] void stage_is_missing(const StepKind& kind, const Change& change, Stage stage) {
  throw std::logic_error(fmt::format("step kind {} plans a {} stage for {} but does not implement {}()", kind.kind(),
                                     to_string(stage), change.address.to_string(), to_string(stage)));
}

}  // namespace

Change StepKind::compare(const Resource& resource, const Observation& observed, const Prior& /*prior*/) const {
  return compare_by_schema(schema(), resource, observed);
}

std::optional<std::string> StepKind::document(const Resource& /*resource*/, const Spec& /*spec*/, HostReader& /*host*/) const {
  return std::nullopt;
}

void StepKind::plan_removal(Change& change, const RemovalScope& /*scope*/) const { change.has_withdraw = true; }

void StepKind::withdraw(const Change& change, const Json& /*captured*/, const Json& /*origin*/, Host& /*host*/,
                        StepContext& /*context*/) const {
  stage_is_missing(*this, change, Stage::withdraw);
}

void StepKind::commit(const Change& change, const Json& /*captured*/, const Json& /*origin*/, Host& /*host*/,
                      StepContext& /*context*/) const {
  stage_is_missing(*this, change, Stage::commit);
}

}  // namespace gpuplan
