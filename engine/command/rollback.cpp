// gpuplan rollback: undoes failed runs, and verifies it.
#include <fmt/format.h>

#include <algorithm>
#include <iostream>
#include <set>

#include "command/carry_out.h"
#include "command/exit_codes.h"
#include "command/failure.h"
#include "command/kept_kubeconfig.h"
#include "command/session.h"
#include "command/verbs.h"
#include "host/interrupt.h"
#include "plan/print_json.h"
#include "plan/print_text.h"

namespace gpuplan::command {
namespace {

int nothing_to_roll_back(Session& session, const std::string& why) {
  if (session.console.json()) {
    Ending ending;
    ending.status = to_string(RunStatus::succeeded);
    ending.next = "nothing to roll back: " + why;
    print_ending(session.console, ending);
  } else {
    session.console.out() << fmt::format("Nothing to roll back: {}.\n", why);
  }
  return exit_done;
}

// The change as its undoing: before and after change places.
Change reversed(Change change) {
  std::vector<AttributeChange> attributes;
  for (AttributeChange& attribute : change.attributes) {
    // What was to be known after apply only, and was not there before, has nothing to show.
    if (!attribute.known && attribute.before == Value{}) continue;
    std::swap(attribute.before, attribute.after);
    if (!attribute.known) attribute.before = Value{};
    attribute.known = true;
    attribute.forces_replace = false;
    attributes.push_back(std::move(attribute));
  }
  change.attributes = std::move(attributes);
  switch (change.action) {
    case Action::create: change.action = Action::remove; break;
    case Action::remove: change.action = Action::create; break;
    default: break;
  }
  change.notes.clear();
  change.needs_reboot = false;
  change.irreversible.clear();
  change.before = {};
  return change;
}

std::string runs_in_words(const RollbackPlan& plan) {
  return fmt::format("run{} {}", plan.runs.size() == 1 ? "" : "s", fmt::join(plan.runs, ", "));
}

std::string print_undo(Session& session, const RollbackPlan& plan) {
  std::string out = fmt::format("Undo {} of cluster {} on {}\n\n", runs_in_words(plan), session.cluster,
                                printable(session.host.host->description()));
  std::set<std::pair<std::int64_t, std::size_t>> touched;
  for (const RollbackPlan::Step& step : plan.steps) touched.insert({step.run, step.change});
  for (const ChangeRecord& record : plan.changes) {
    if (touched.count({record.run, record.index}) == 0) continue;
    out += print_change(reversed(record.change), session.kinds, {session.console.color_out(), false});
  }
  return out + fmt::format("\nRollback: {} change{} to undo.\n", touched.size(), touched.size() == 1 ? "" : "s");
}

void show(Session& session, const RollbackPlan& plan) {
  if (!session.console.json()) {
    session.console.out() << print_undo(session, plan);
    return;
  }
  Json steps = Json::array();
  for (const RollbackPlan::Step& step : plan.steps) {
    const auto record = std::find_if(plan.changes.begin(), plan.changes.end(), [&](const ChangeRecord& change) {
      return change.run == step.run && change.index == step.change;
    });
    if (record == plan.changes.end()) continue;
    steps.push_back({{"run", step.run}, {"address", record->change.address.to_string()}});
  }
  session.console.event({{"type", "rollback_plan"}, {"cluster", session.cluster}, {"runs", plan.runs}, {"steps", steps}});
}

Ending ending_of(Session& session, const RollbackOutcome& outcome, const std::string& spec_name) {
  Ending ending;
  ending.exit_code = exit_code_for(outcome);
  ending.run = outcome.run.run;
  ending.resources = outcome.run.resources;
  ending.rollback = outcome;
  const std::string again = session.suggest("rollback --cluster " + session.cluster);
  const std::string apply = session.suggest("apply " + (spec_name.empty() ? "SPEC" : shell_quoted(spec_name)));
  if (ending.exit_code == exit_done) {
    ending.headline = "Rollback succeeded";
    ending.status = to_string(RunStatus::rolled_back);
    ending.next = fmt::format("`{}` starts anew, once what made the run fail is mended.", apply);
  } else if (ending.exit_code == exit_differences_left) {
    ending.headline = "Rollback left differences";
    ending.status = "differences";
    const bool undo_failed = std::any_of(ending.resources.begin(), ending.resources.end(), [](const ResourceOutcome& one) {
      return one.state == ResourceState::failed;
    });
    ending.next = undo_failed ? fmt::format("mend the cause, then `{}` goes on with it.", again)
                              : fmt::format("mend them by hand, or `{}` to go forward.", apply);
  } else if (outcome.run.status == RunStatus::interrupted) {
    ending.headline = "Rollback was interrupted";
    ending.status = to_string(RunStatus::interrupted);
    ending.next = fmt::format("`{}` goes on with it.", again);
  } else {
    ending.headline = "Rollback failed";
    ending.status = to_string(RunStatus::failed);
    ending.next = fmt::format("mend the cause, then `{}` goes on with it.", again);
  }
  return ending;
}

}  // namespace

int run_rollback(Session& session) {
  if (session.options.cluster.empty() && session.state.clusters().empty()) {
    session.require_own_state();
    return nothing_to_roll_back(session, fmt::format("there is no cluster in {}", printable(session.state.path())));
  }
  session.choose_cluster();
  session.load_plugins();
  session.lock_cluster();
  std::optional<Spec> spec = last_spec(session.writable_journal());
  if (!spec) spec.emplace().cluster = session.cluster;
  session.open_host(spec->host.libvirt_uri);
  session.require_same_host();

  const RollbackPlan plan = plan_rollback(*session.journal, session.options.run, session.host.host->identity());
  if (!plan.refusal.empty()) throw Failure(exit_nothing_changed, plan.refusal, {}, way_on(session, plan));
  if (plan.runs.empty()) return nothing_to_roll_back(session, "the last run succeeded or was rolled back");
  show(session, plan);
  if (!plan.steps.empty()) confirm(session, "\nUndo these changes?");
  if (Interrupt::requested()) throw Interrupted();
  session.console.out().flush();
  const Ending ending = ending_of(session, undo_runs(session, plan, *spec), spec->file ? spec->file->name : "");
  forget_kubeconfig(session);
  session.warn_of_unstruck_faults();
  print_ending(session.console, ending);
  return ending.exit_code;
}

}  // namespace gpuplan::command
