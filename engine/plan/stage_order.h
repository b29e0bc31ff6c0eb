// In which order the stages of a plan's changes run.
#pragma once

#include <vector>

#include "plan/plan.h"
#include "plan/step_kinds.h"

namespace gpuplan {

// What a change depended on until now: the edges of the owned resource, which tell in which order
// things are taken away. Empty for one that is new.
struct StageOrderInput {
  std::vector<Change> changes;
  std::vector<std::vector<Address>> depended_on;  // one entry per change
};

// The stages of all changes with their direct predecessors, in an order in which each may run, those
// of the commit phase last. The rules stand in engine/README.md ("Order of stages"). A cycle among
// stages is an error in `diagnostics`.
std::vector<PlannedStage> order_stages(const StageOrderInput& input, const StepKinds& kinds,
                                       Diagnostics& diagnostics);

}  // namespace gpuplan
