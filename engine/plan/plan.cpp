#include "plan/plan.h"

#include <fmt/format.h>

#include <algorithm>

namespace gpuplan {

std::string_view to_string(PlanPurpose purpose) {
  return purpose == PlanPurpose::destroy ? "destroy" : "apply";
}

std::size_t phase_of(const PlannedStage& stage) {
  if (stage.stage == Stage::commit) return 2;
  return stage.commit_phase ? 1 : 0;
}

bool Plan::has_changes() const {
  return std::any_of(changes.begin(), changes.end(), [](const Change& change) { return change.action != Action::none; });
}

PlanSummary summarize(const Plan& plan) {
  PlanSummary summary;
  for (const Change& change : plan.changes) {
    switch (change.action) {
      case Action::none: ++summary.none; break;
      case Action::create: ++summary.create; break;
      case Action::update: ++summary.update; break;
      case Action::replace: ++summary.replace; break;
      case Action::remove: ++summary.remove; break;
    }
    if (!change.reversible()) ++summary.irreversible;
  }
  return summary;
}

std::string to_sentence(const PlanSummary& summary) {
  std::string out = fmt::format("Plan: {} to create, {} to update, {} to replace, {} to remove; {} unchanged.",
                                summary.create, summary.update, summary.replace, summary.remove, summary.none);
  if (summary.irreversible > 0) out += fmt::format(" {} cannot be undone.", summary.irreversible);
  return out;
}

}  // namespace gpuplan
