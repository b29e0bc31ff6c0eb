// From the spec to the graph of what it declares.
#pragma once

#include <vector>

#include "graph/resource_graph.h"
#include "plan/call_watch.h"
#include "plan/step_kinds.h"

namespace gpuplan {

// What each step kind declares for `spec`. Failures and defects of plugins are errors in `diagnostics`.
std::vector<Resource> expand_spec(const Spec& spec, const StepKinds& kinds, CallWatch* watch,
                                  Diagnostics& diagnostics);

// ResourceGraph::build, with errors that name the module whose expand() declared the resource.
ResourceGraph build_graph(std::vector<Resource> resources, const StepKinds& kinds, Diagnostics& diagnostics);

}  // namespace gpuplan
