#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "apply/rollback.h"

namespace gpuplan {
namespace {

bool is_rollback(const RunRecord& run) { return run.command == "rollback"; }

bool needs_undo(StageStatus status) { return status != StageStatus::planned && status != StageStatus::undone; }

bool was_touched(StageStatus status) { return status != StageStatus::planned; }

// The runs to undo, newest first: those since the last successful one, or the one asked for.
std::vector<RunRecord> select_runs(const std::vector<RunRecord>& all, std::optional<std::int64_t> wanted,
                                   RollbackPlan& plan) {
  std::vector<RunRecord> out;
  for (auto run = all.rbegin(); run != all.rend(); ++run) {
    if (is_rollback(*run) || run->status == RunStatus::rolled_back) continue;
    if (wanted && run->id != *wanted) continue;
    if (!wanted && run->status == RunStatus::succeeded) break;
    out.push_back(*run);
  }
  if (wanted && out.empty()) {
    const auto found = std::find_if(all.begin(), all.end(), [&](const RunRecord& run) { return run.id == *wanted; });
    if (found == all.end()) plan.refusal = fmt::format("there is no run {}", *wanted);
    else if (is_rollback(*found)) plan.refusal = fmt::format("run {} is a rollback itself", *wanted);
    else plan.refusal = fmt::format("run {} has been rolled back already", *wanted);
    plan.way_on_words = "history";
    plan.way_on = "`{}` lists the runs";
  }
  return out;
}

std::set<Address> touched_by(Journal& journal, std::int64_t run) {
  std::set<Address> out;
  const auto changes = journal.changes(run);
  for (const StageRecord& stage : journal.stages(run)) {
    if (was_touched(stage.status)) out.insert(changes[stage.stage.change].change.address);
  }
  return out;
}

void refuse_later_runs(Journal& journal, const std::vector<RunRecord>& all, std::int64_t wanted, RollbackPlan& plan) {
  const std::set<Address> mine = touched_by(journal, wanted);
  for (const RunRecord& later : all) {
    if (later.id <= wanted || is_rollback(later) || later.status == RunStatus::rolled_back) continue;
    for (const Address& address : touched_by(journal, later.id)) {
      if (mine.count(address) == 0) continue;
      plan.refusal = fmt::format("run {} cannot be undone alone: the later run {} touched {} as well{}", wanted, later.id,
                                 address.to_string(), later.commit_begun ? ", and cannot be undone" : "");
      plan.way_on_words = fmt::format("{} {}", later.commit_begun ? "show" : "rollback --run", later.id);
      plan.way_on = later.commit_begun ? "`{}` says what that run did" : "`{}` undoes that one first";
      return;
    }
  }
}

void refuse_run(const RunRecord& run, const std::string& host_identity, RollbackPlan& plan) {
  if (run.host_identity != host_identity) {
    plan.refusal = fmt::format("run {} was made on another host ({})", run.id, printable(run.host_description));
    plan.way_on_words = fmt::format("rollback --run {}", run.id);
    plan.way_on = "`{}`, on that host";
  } else if (run.commit_begun && run.status == RunStatus::succeeded) {
    plan.refusal = fmt::format("run {} cannot be undone: it succeeded, and did what cannot be brought back", run.id);
    plan.way_on_words = fmt::format("show {}", run.id);
    plan.way_on = "`{}` lists what it did; to go back to an older state, apply its spec";
  } else if (run.commit_begun) {
    plan.refusal = fmt::format("run {} cannot be undone any more: it has begun to do what cannot be brought back", run.id);
    plan.way_on_words = run.command;
    plan.way_on = "`{}` completes it";
    if (run.command == "apply") plan.way_on_spec = run.spec_name;
  }
}

// Adds the undo of one run behind everything that `plan` holds already.
void append_run(Journal& journal, std::int64_t run, RollbackPlan& plan) {
  const std::size_t first = plan.steps.size();
  std::vector<std::size_t> newer_ends;  // steps of newer runs that nothing waits for yet
  std::set<std::size_t> waited_for;
  for (const RollbackPlan::Step& step : plan.steps) waited_for.insert(step.after.begin(), step.after.end());
  for (std::size_t i = 0; i < first; ++i) {
    if (waited_for.count(i) == 0) newer_ends.push_back(i);
  }

  const std::vector<StageRecord> stages = journal.stages(run);
  std::map<std::size_t, std::size_t> step_of;  // stage → step
  for (auto stage = stages.rbegin(); stage != stages.rend(); ++stage) {
    if (!needs_undo(stage->status)) continue;
    step_of.emplace(stage->index, plan.steps.size());
    plan.steps.push_back({run, stage->index, stage->stage.change, {}});
  }
  for (const StageRecord& stage : stages) {
    const auto later = step_of.find(stage.index);
    if (later == step_of.end()) continue;
    for (const std::size_t before : stage.stage.after) {
      const auto earlier = step_of.find(before);
      if (earlier != step_of.end()) plan.steps[earlier->second].after.push_back(later->second);
    }
  }
  for (std::size_t i = first; i < plan.steps.size(); ++i) {
    if (plan.steps[i].after.empty()) plan.steps[i].after = newer_ends;
  }
  std::set<std::size_t> touched;
  for (const StageRecord& stage : stages) {
    if (was_touched(stage.status)) touched.insert(stage.stage.change);
  }
  for (ChangeRecord& change : journal.changes(run)) {
    // A removal without stages went with its container; undoing that brings back its ownership.
    const bool went_along = change.state == ResourceState::removed;
    if (went_along || touched.count(change.index) > 0) plan.changes.push_back(std::move(change));
  }
}

}  // namespace

RollbackPlan plan_rollback(Journal& journal, std::optional<std::int64_t> run, const std::string& host_identity) {
  RollbackPlan plan;
  const std::vector<RunRecord> all = journal.runs();
  const std::vector<RunRecord> chain = select_runs(all, run, plan);
  if (!plan.refusal.empty()) return plan;
  for (const RunRecord& record : chain) {
    refuse_run(record, host_identity, plan);
    if (!plan.refusal.empty()) return plan;
  }
  if (run) refuse_later_runs(journal, all, *run, plan);
  if (!plan.refusal.empty()) return plan;
  for (const RunRecord& record : chain) {
    plan.runs.push_back(record.id);
    append_run(journal, record.id, plan);
  }
  return plan;
}

}  // namespace gpuplan
