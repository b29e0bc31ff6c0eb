// What must hold for every history of the toy world. Each property is a function that says what is wrong.
#include <set>

#include "property/toy_world.h"
#include "support/catch.h"

using namespace gpuplan;
using namespace property;

namespace {

using Property = std::string (*)(const Scenario&);

// Tries `property` on random histories; a failure is shown in the simplest form found.
void check_on_random_histories(Property property, std::size_t default_iterations) {
  const Campaign tried = campaign(default_iterations);
  for (std::size_t i = 0; i < tried.iterations; ++i) {
    const Scenario scenario = random_scenario(tried.first_seed + i);
    const std::string complaint = property(scenario);
    if (complaint.empty()) continue;
    const Scenario simplest = shrink<Scenario>(scenario, simpler_scenarios, property, 3000);
    FAIL(complaint << "\n" << replay_words(scenario.seed) << "; in its simplest form:\n"
                   << describe(simplest) << property(simplest));
  }
}

std::string errors_of(const PlanningResult& result) {
  std::string out;
  for (const Diagnostic& item : result.diagnostics.items()) out += render(item, false) + "\n";
  return out;
}

// An edit that turns edges round can ask for stages that would have to wait for each other.
bool is_cycle_of_stages(const PlanningResult& result) {
  return errors_of(result).find("no order of the changes is possible") != std::string::npos;
}

std::string errors_of(const RunOutcome& outcome) {
  std::string out = "the run ended as " + std::string(to_string(outcome.status));
  for (const ResourceOutcome& resource : outcome.resources) {
    if (resource.state == ResourceState::unchanged) continue;
    out += "\n  " + resource.address.to_string() + " " + std::string(to_string(resource.state)) + " " + resource.error;
  }
  return out;
}

// Applies what is declared, all going well: nothing is left to do, and the host is as declared.
std::string settle(ToyWorld& world) {
  const PlanningResult result = world.plan();
  if (!result.plan) return is_cycle_of_stages(result) ? "" : "no plan: " + errors_of(result);
  const auto outcome = world.carry_out(*result.plan);
  if (!outcome || outcome->status != RunStatus::succeeded) {
    return "an apply that nothing disturbs does not succeed: " + (outcome ? errors_of(*outcome) : "");
  }
  const PlanningResult again = world.plan();
  if (!again.plan) return "no plan after apply: " + errors_of(again);
  for (const Change& change : again.plan->changes) {
    if (change.action == Action::none) continue;
    return "after apply " + change.address.to_string() + " is still to get " + std::string(to_string(change.action));
  }
  return world.not_as_declared();
}

// The world with what was there before, what was applied first, and what others did to it then.
std::string begin(ToyWorld& world, const Scenario& scenario) {
  world.put_foreign(scenario.foreign);
  world.declare(scenario.first);
  if (std::string wrong = settle(world); !wrong.empty()) return "the first apply: " + wrong;
  for (const Drift& drift : scenario.drift) world.drift(drift);
  return {};
}

std::string plan_after_apply_is_empty(const Scenario& scenario) {
  ToyWorld world(scenario.parallelism);
  if (std::string wrong = begin(world, scenario); !wrong.empty()) return wrong;
  for (const Attempt& attempt : scenario.attempts) {
    world.declare(attempt.declared);
    const PlanningResult result = world.plan();
    if (result.plan && !attempt.mishap.none()) world.carry_out(*result.plan, attempt.mishap);
    if (std::string wrong = settle(world); !wrong.empty()) return wrong;
  }
  const PlanningResult removal = world.plan_removal();
  if (!removal.plan) return is_cycle_of_stages(removal) ? "" : "no plan to destroy: " + errors_of(removal);
  const auto outcome = world.carry_out(*removal.plan);
  if (!outcome || outcome->status != RunStatus::succeeded) return "destroy: " + (outcome ? errors_of(*outcome) : "");
  return world.state().owned.empty() ? "" : "after destroy something is still owned";
}

TEST_CASE("toy world: after an apply the plan is empty and destroy leaves nothing owned") {
  check_on_random_histories(plan_after_apply_is_empty, 60);
}

// What gpuplan neither made nor was told of stays as it is.
std::string foreign_is_left_alone(const Scenario& scenario) {
  ToyWorld world(scenario.parallelism);
  std::set<std::string> declared;
  const auto note = [&](const Declared& list) {
    for (const toy::ToyResource& resource : list) declared.insert("/toy/" + resource.name);
  };
  note(scenario.first);
  for (const Attempt& attempt : scenario.attempts) note(attempt.declared);
  world.put_foreign(scenario.foreign);
  const auto before = world.state().files;
  if (std::string wrong = begin(world, scenario); !wrong.empty()) return wrong;
  for (const Attempt& attempt : scenario.attempts) {
    world.declare(attempt.declared);
    const PlanningResult result = world.plan();
    if (result.plan) world.carry_out(*result.plan, attempt.mishap);
    for (const auto& [path, text] : before) {
      const auto& files = world.host.file_system.content;
      if (declared.count(path) == 0 && (files.count(path) == 0 || files.at(path) != text)) return path + " was touched";
    }
  }
  return {};
}

TEST_CASE("toy world: what gpuplan did not make is never touched") {
  check_on_random_histories(foreign_is_left_alone, 30);
}

// Rolls back whatever is unfinished, with a first try that may go wrong.
std::string undo_all(ToyWorld& world, const Mishap& mishap, const WorldState& before) {
  if (!mishap.none()) world.roll_back(world.plan_rollback(), mishap);
  const RollbackPlan plan = world.plan_rollback();
  if (!plan.refusal.empty()) return "a rollback cannot be repeated: " + plan.refusal;
  const auto undone = world.roll_back(plan);
  if (!undone || undone->run.status != RunStatus::succeeded) {
    return "a rollback that nothing disturbs does not succeed: " + (undone ? errors_of(undone->run) : "");
  }
  for (const RollbackDifference& item : undone->differences) {
    return "rollback says that " + item.address.to_string() + " `" + item.attribute + "` was " + item.before +
           " and is " + item.now;
  }
  if (std::string wrong = difference(before, world.state()); !wrong.empty()) return "after rollback: " + wrong;
  return world.has_unfinished_runs() ? "after a rollback something is left to roll back" : "";
}

std::string rollback_restores(const Scenario& scenario) {
  ToyWorld world(scenario.parallelism);
  if (std::string wrong = begin(world, scenario); !wrong.empty()) return wrong;
  WorldState before_chain = world.state();
  for (const Attempt& attempt : scenario.attempts) {
    world.declare(attempt.declared);
    const PlanningResult result = world.plan();
    if (!result.plan && !is_cycle_of_stages(result)) return "no plan: " + errors_of(result);
    if (!result.plan || (!result.plan->has_changes() && !world.has_unfinished_runs())) continue;
    const WorldState before_run = world.state();
    const std::int64_t run_before = world.last_run().id;
    world.carry_out(*result.plan, attempt.mishap);
    const RunRecord run = world.last_run();
    if (run.id == run_before || run.status != RunStatus::succeeded) continue;
    const WorldState after = world.state();
    if (!run.commit_begun && &attempt == &scenario.attempts.back()) {
      const auto undone = world.roll_back(world.plan_rollback(run.id));
      if (!undone || undone->run.status != RunStatus::succeeded) return "the rollback of a run by its number fails";
      const std::string wrong = difference(before_run, world.state());
      return wrong.empty() ? "" : "after the rollback of one run: " + wrong;
    }
    before_chain = after;
  }
  if (!world.has_unfinished_runs()) return {};
  if (world.plan_rollback().refusal.empty()) return undo_all(world, scenario.rollback_mishap, before_chain);
  bool committed = false;
  for (const RunRecord& run : world.journal().runs()) committed = committed || run.commit_begun;
  return committed ? settle(world) : "refused without a reason: " + world.plan_rollback().refusal;
}

TEST_CASE("toy world: rollback restores the host and what is owned") {
  check_on_random_histories(rollback_restores, 120);
}

// A plan as text that does not depend on the order in which resources are declared.
std::multiset<std::string> essence(const Plan& plan) {
  std::multiset<std::string> out;
  const auto name = [&](const PlannedStage& stage) {
    return std::string(to_string(stage.stage)) + " " + plan.changes[stage.change].address.to_string();
  };
  for (const Change& change : plan.changes) {
    out.insert(change.address.to_string() + " " + std::string(to_string(change.action)));
  }
  for (const PlannedStage& stage : plan.stages) {
    for (const std::size_t before : stage.after) out.insert(name(plan.stages[before]) + " → " + name(stage));
    out.insert(name(stage) + " in phase " + std::to_string(phase_of(stage)));
  }
  return out;
}

Declared in_another_order(Declared declared, std::uint64_t seed) {
  Random random(seed);
  random.shuffle(declared);
  for (toy::ToyResource& resource : declared) random.shuffle(resource.needs);
  return declared;
}

std::string only_edges_matter(const Scenario& scenario) {
  ToyWorld world(scenario.parallelism);
  ToyWorld permuted(scenario.parallelism);
  Scenario other = scenario;
  other.first = in_another_order(other.first, scenario.seed);
  if (std::string wrong = begin(world, scenario); !wrong.empty()) return wrong;
  if (std::string wrong = begin(permuted, other); !wrong.empty()) return wrong;
  for (const Attempt& attempt : scenario.attempts) {
    world.declare(attempt.declared);
    permuted.declare(in_another_order(attempt.declared, scenario.seed));
    const PlanningResult result = world.plan();
    const PlanningResult same = permuted.plan();
    if (result.plan.has_value() != same.plan.has_value())
      return "whether there is a plan depends on the order of declarations";
    if (!result.plan) continue;
    if (essence(*result.plan) != essence(*same.plan)) return "the order of declarations changes the plan";
    const std::vector<OwnedResource> owned = world.journal().owned();
    RecordedRun run;
    world.carry_out(*result.plan, {}, run);
    permuted.carry_out(*same.plan);
    if (std::string wrong = broken_edge(*result.plan, run); !wrong.empty()) return wrong;
    if (std::string wrong = broken_rule(*result.plan, owned, run); !wrong.empty()) return wrong;
    const std::string wrong = difference({world.state().files, {}}, {permuted.state().files, {}});
    if (!wrong.empty()) return wrong;
  }
  return {};
}

TEST_CASE("toy world: nothing but edges decides an order and each edge is kept") {
  check_on_random_histories(only_edges_matter, 50);
}

// Faults at addresses strike at any parallelism; what the failure does not reach is done all the same.
std::string parallelism_does_not_matter(const Scenario& scenario) {
  ToyWorld one_at_a_time(1);
  ToyWorld all_at_once(64);
  for (ToyWorld* world : {&one_at_a_time, &all_at_once}) {
    if (std::string wrong = begin(*world, scenario); !wrong.empty()) return wrong;
    for (const Attempt& attempt : scenario.attempts) {
      Mishap at_addresses;
      for (const Fault& fault : attempt.mishap.faults) {
        if (!fault.address.empty()) at_addresses.faults.push_back(fault);
      }
      world->declare(attempt.declared);
      const PlanningResult result = world->plan();
      if (result.plan) world->carry_out(*result.plan, at_addresses);
    }
  }
  return difference(one_at_a_time.state(), all_at_once.state());
}

TEST_CASE("toy world: one stage at a time or many side by side come to the same end") {
  check_on_random_histories(parallelism_does_not_matter, 40);
}

std::string planning_changes_nothing(const Scenario& scenario) {
  ToyWorld world(scenario.parallelism);
  if (std::string wrong = begin(world, scenario); !wrong.empty()) return wrong;
  for (const Attempt& attempt : scenario.attempts) {
    world.declare(attempt.declared);
    const WorldState before = world.state();
    const std::size_t changes = world.host.file_system.changes;
    const std::size_t runs = world.journal().runs().size();
    const PlanningResult result = world.plan();
    world.plan_removal();
    world.plan_rollback();
    if (world.host.file_system.changes != changes) return "planning made a call that changes the host";
    if (world.journal().runs().size() != runs) return "planning began a run";
    if (std::string wrong = difference(before, world.state()); !wrong.empty()) return "after planning: " + wrong;
    if (result.plan) world.carry_out(*result.plan, attempt.mishap);
  }
  return {};
}

TEST_CASE("toy world: planning writes nothing") { check_on_random_histories(planning_changes_nothing, 30); }

}  // namespace
