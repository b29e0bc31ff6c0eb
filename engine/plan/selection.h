// Which resources a plan is about, where the user wants less than all of them.
#pragma once

#include <set>
#include <vector>

#include "graph/resource_graph.h"
#include "plan/plan.h"
#include "plan/step_kinds.h"

namespace gpuplan {

// The addresses of `graph` that a plan with `selection` is about; `declared` are those that the spec
// declares (none of them when everything is removed).
//   What is declared: a target brings along what it depends on, an exclude what depends on it.
//   What is removed: a target brings along what cannot be without it, an exclude what it cannot be
//   without itself. Something cannot be without what it lives in, without an item of an exclusive
//   attribute (a VM without its GPU), and without the last dependency of one kind (the operator
//   without any worker); other dependencies only say in which order things are made.
// An address that is not in `graph` is an error in `diagnostics`, with the nearest one that is. Pure.
std::set<Address> select(const ResourceGraph& graph, const std::set<Address>& declared, const Selection& selection,
                         const StepKinds& kinds, Diagnostics& diagnostics);

// Adds an error to `diagnostics` for every change that would harm a resource of `graph` that is not
// among `changes`, or not changed by them: what lives in a replaced one, who holds a replaced one, who
// holds an item that another is to get. `owned` are the addresses that gpuplan made. Pure.
void check_selection(const ResourceGraph& graph, const std::set<Address>& owned, const std::vector<Change>& changes,
                     const StepKinds& kinds, Diagnostics& diagnostics);

// `resource` without edges to what is not among `addresses`: what takes no part orders nothing.
Resource among(const std::set<Address>& addresses, Resource resource);

}  // namespace gpuplan
