// The toy host with its journal, in which a history happens.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "apply/executor.h"
#include "apply/rollback.h"
#include "plan/planner.h"
#include "property/recorded_run.h"
#include "property/toy_scenario.h"
#include "support/temporary_directory.h"

namespace property {

// What a rollback must bring back: the host and what the journal says is owned.
struct WorldState {
  std::map<std::string, std::string> files;
  std::map<std::string, std::string> owned;  // address → everything the journal has about it
  bool operator==(const WorldState&) const = default;
};
// In words, the first thing that differs; empty if nothing does.
std::string difference(const WorldState& before, const WorldState& now);

class ToyWorld {
 public:
  explicit ToyWorld(std::size_t parallelism);

  toy::ToyHost host;

  void declare(const Declared& declared) { kind_->wanted = declared; }
  gpuplan::PlanningResult plan();
  gpuplan::PlanningResult plan_removal();
  // Nothing if the journal failed on the way.
  std::optional<gpuplan::RunOutcome> carry_out(const gpuplan::Plan& plan, const Mishap& mishap, RecordedRun& run);
  std::optional<gpuplan::RunOutcome> carry_out(const gpuplan::Plan& plan, const Mishap& mishap = {});
  std::optional<gpuplan::RollbackOutcome> roll_back(const gpuplan::RollbackPlan& plan, const Mishap& mishap = {});
  gpuplan::RollbackPlan plan_rollback(std::optional<std::int64_t> run = std::nullopt);

  // Puts what others make, and what they do later.
  void put_foreign(const Declared& declared);
  void drift(const Drift& drift);

  gpuplan::Journal& journal() { return *journal_; }
  gpuplan::RunRecord last_run();
  // Runs that rollback would undo.
  bool has_unfinished_runs() { return !plan_rollback().runs.empty() || !plan_rollback().refusal.empty(); }
  WorldState state();
  // The first declared resource that the host does not have as declared; empty if it has all.
  std::string not_as_declared();

 private:
  // Opens the journal as a new process would, with `hook` before each write.
  void reopen(gpuplan::Journal::WriteHook hook);
  template <typename Outcome>
  std::optional<Outcome> with_mishap(const Mishap& mishap, const std::function<Outcome(gpuplan::GuardedHost&)>& run);

  TemporaryDirectory directory_{TemporaryDirectory::in_memory()};
  std::shared_ptr<toy::ToyKind> kind_ = std::make_shared<toy::ToyKind>();
  gpuplan::StepKinds kinds_;
  gpuplan::Spec spec_;
  std::size_t parallelism_;
  std::unique_ptr<gpuplan::Journal> journal_;
};

}  // namespace property
