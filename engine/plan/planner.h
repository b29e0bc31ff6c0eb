// Builds a Plan: what is declared, what the host has, and what follows.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "plan/call_watch.h"
#include "plan/owned.h"
#include "plan/plan.h"
#include "plan/step_kinds.h"

namespace gpuplan {

struct PlannerOptions {
  std::size_t parallelism = 10;  // observations and checks at a time
  // Called with a short text while observing ("observed 7 of 17"); may be empty. Called from one thread at a time.
  std::function<void(const std::string&)> progress;
  CallWatch* watch = nullptr;  // of calls into plugins; may be null
  Selection selection;           // what the plan is about; select() in plan/selection.h says what goes with what
};

// What planning came to. Without errors in `diagnostics` and without failed checks there is a plan.
struct PlanningResult {
  std::optional<Plan> plan;
  std::vector<CheckResult> checks;  // of every declared resource, in dependency order
  Diagnostics diagnostics;          // defects of the graph or of a plugin, hosts that cannot be read
  bool needs_reboot = false;        // a failed check says that only a reboot helps
};

// Plans how `spec` is reached from what `host` has now and `owned` says gpuplan made. `spec.gpus`
// must be resolved. Reads the host in parallel; changes nothing. Never throws HostError: a host
// that cannot be read is an error in the result.
PlanningResult plan_apply(const Spec& spec, const StepKinds& kinds, const std::vector<OwnedResource>& owned,
                          HostReader& host, const PlannerOptions& options);

// Plans the removal of everything in `owned` that is selected.
PlanningResult plan_destroy(const std::string& cluster, const StepKinds& kinds,
                            const std::vector<OwnedResource>& owned, HostReader& host,
                            const PlannerOptions& options);

// Runs the checks alone, all of them.
PlanningResult check_host(const Spec& spec, const StepKinds& kinds, const std::vector<OwnedResource>& owned,
                          HostReader& host, const PlannerOptions& options);

}  // namespace gpuplan
