#include "command/carry_out.h"

#include <fmt/format.h>

#include <iostream>
#include <map>

#include "command/exit_codes.h"
#include "command/failure.h"
#include "command/kept_kubeconfig.h"
#include "command/run_events_json.h"
#include "command/run_events_text.h"
#include "command/verification_report.h"
#include "host/interrupt.h"
#include "plan/print_json.h"
#include "plan/print_text.h"
#include "plan/planner.h"

namespace gpuplan::command {
namespace {

void show(Session& session, const Plan& plan) {
  if (session.console.json()) {
    session.console.event({{"type", "plan"}, {"plan", plan_to_json(plan)}});
  } else {
    session.console.out() << print_plan(plan, session.kinds, {session.console.color_out(), session.options.explain});
  }
}

// Calls `body` with the events of a run going to the console.
template <typename Body>
auto with_events(Session& session, const Body& body) {
  if (session.console.json()) {
    JsonEvents events(session.console);
    return body(events);
  }
  const std::shared_ptr<Progress> progress = session.console.progress();
  TextEvents events(*progress, session.console.color_out());
  return body(events);
}

// A journal that fails in the middle of a run leaves the server somewhere in between.
template <typename Body>
auto while_running(Session& session, const Body& body) {
  try {
    return body();
  } catch (const JournalError& error) {
    const Diagnostic problem = diagnostic_of(error);
    throw Failure(exit_step_failed, problem.summary, "the run was stopped: what cannot be recorded must not be done",
                  fmt::format("{}; then `{}` goes on, or `{}` undoes the run", problem.remedy, go_on_command(session),
                              session.suggest("rollback --cluster " + session.cluster)));
  }
}

RunRecord record_for(Session& session, const Plan& plan, const Spec& spec, const std::string& command) {
  RunRecord record = session.record(command);
  record.spec_name = spec.file ? spec.file->name : plan.spec_name;
  record.spec_sha256 = spec.sha256;
  record.spec_text = spec.file ? spec.file->text : "";
  return record;
}

std::string next_step(const Session& session, const RunOutcome& outcome, const std::string& command) {
  const std::string rollback = session.suggest("rollback --cluster " + session.cluster);
  if (outcome.status == RunStatus::succeeded) {
    if (command == "destroy" && session.selection.is_partial()) {
      return fmt::format("`{}` shows what is left.", session.suggest("status"));
    }
    if (command == "destroy") return "nothing; the server is free.";
    return fmt::format("`{}` shows what was made; `{}` takes it back.", session.suggest("status"),
                       session.suggest("destroy --cluster " + session.cluster));
  }
  if (outcome.status == RunStatus::reboot_required) {
    return fmt::format("reboot this host, then `{}` goes on with the run; `{}` undoes it.", go_on_command(session), rollback);
  }
  if (outcome.commit_begun) {
    return fmt::format("{}run `{}` again: the run began what cannot be undone, so it can only be completed.",
                       outcome.status == RunStatus::failed ? "mend the cause, then " : "", go_on_command(session));
  }
  if (outcome.status == RunStatus::interrupted) {
    return fmt::format("`{}` goes on with the run, `{}` undoes it.", go_on_command(session), rollback);
  }
  return fmt::format("mend the cause and run `{}` again to go on, or undo the run with `{}`.", go_on_command(session), rollback);
}

std::string headline(const RunOutcome& outcome) {
  const std::string_view word = outcome.status == RunStatus::succeeded         ? "succeeded"
                                : outcome.status == RunStatus::interrupted     ? "was interrupted"
                                : outcome.status == RunStatus::reboot_required ? "goes on after a reboot of this host"
                                                                               : "failed";
  return fmt::format("Run {} {}", outcome.run, word);
}

Ending ending_of(const Session& session, const RunOutcome& outcome, const std::string& command) {
  Ending ending;
  ending.headline = headline(outcome);
  ending.status = to_string(outcome.status);
  ending.exit_code = exit_code_for(outcome);
  ending.run = outcome.run;
  ending.resources = outcome.resources;
  ending.next = next_step(session, outcome, command);
  return ending;
}

// `on_failure: rollback`: the failed run is undone, and the ending tells of both.
void roll_back_at_once(Session& session, const Spec& spec, Ending& ending) {
  const RollbackPlan plan = plan_rollback(*session.journal, ending.run, session.host.host->identity());
  if (!plan.refusal.empty()) {
    ending.next = fmt::format("{} (on_failure: rollback could not be done: {}; {})", ending.next, plan.refusal, way_on(session, plan));
    return;
  }
  if (session.console.json()) session.console.event({{"type", "rollback_started"}, {"run", *ending.run}});
  else session.console.out() << fmt::format("\nRun {} failed; undoing it (on_failure: rollback)\n", *ending.run);
  ending.rollback = undo_runs(session, plan, spec);
  const RunOutcome& undone = ending.rollback->run;
  for (ResourceOutcome& resource : ending.resources) {
    for (const ResourceOutcome& now : undone.resources) {
      if (now.address == resource.address) resource.state = now.state;
    }
  }
  const int code = exit_code_for(*ending.rollback);
  ending.exit_code = code == exit_done ? exit_step_failed : code;
  const bool restored = code == exit_done;
  ending.headline += restored ? " and was undone" : " and was not undone completely";
  ending.next = restored ? fmt::format("mend the cause and run `{}` again.", go_on_command(session))
                : undone.status != RunStatus::succeeded && undone.status != RunStatus::rolled_back
                    ? fmt::format("`{}` goes on with the rollback.", session.suggest("rollback --cluster " + session.cluster))
                    : "look at the differences; `" + session.suggest("plan --explain " + shell_quoted(spec.file->name)) + "` shows where values are read.";
}

// What the host cannot do is refused before anything is changed, not when its turn comes.
void refuse_what_is_impossible(Session& session, const Plan& plan) {
  const std::map<std::string, std::string> limitations = session.host.host->limitations();
  for (const Change& change : plan.changes) {
    const auto found = limitations.find(std::string(change.address.kind()));
    if (change.action == Action::none || found == limitations.end()) continue;
    throw Failure(exit_nothing_changed,
                  fmt::format("{} cannot be changed on {}", change.address.to_string(), session.host.host->description()),
                  found->second,
                  fmt::format("nothing was changed; {}", session.options.root ? "rehearse the whole run with --host sim:FILE"
                                                                             : fmt::format("`sudo {}` runs it as root, with root's own state", session.options.command_line)));
  }
}

// The run itself has succeeded and stays so; what came after it did not.
void end_otherwise(Ending& ending, RunStatus status, const std::string& headline, std::string next) {
  ending.status = to_string(status);
  ending.exit_code = status == RunStatus::interrupted ? interrupted_exit_code() : exit_step_failed;
  ending.headline += headline;
  ending.next = std::move(next);
}

// `verify: true`: everything is observed once more, and must be as the spec declares it.
void observe_again(Session& session, const Spec& spec, Ending& ending) {
  PlannerOptions options = session.planner_options();
  options.selection.replaces.clear();  // they were
  const std::string name = shell_quoted(spec.file->name);
  const PlanningResult result = plan_apply(spec, session.kinds, session.owned(), *session.host.host, options);
  if (Interrupt::requested()) {
    return end_otherwise(ending, RunStatus::interrupted,
                         "; whether the server is as declared was not looked at (interrupted)",
                         fmt::format("`{}` compares the server with the spec.", session.suggest("plan " + name)));
  }
  session.console.show(result.diagnostics.items());
  if (!result.plan) {
    return end_otherwise(ending, RunStatus::failed, ", but the server could not be compared with the spec",
                         fmt::format("`{}` says what is wrong.", session.suggest("check " + name)));
  }
  std::size_t right = 0;
  for (ResourceOutcome& resource : ending.resources) {
    const Change* left = nullptr;
    for (const Change& change : result.plan->changes) {
      if (change.address == resource.address && change.action != Action::none) left = &change;
    }
    if (left == nullptr) ++right;
    else resource.error = fmt::format("not as declared: {}", fmt::join(left->reasons, "; "));
  }
  ending.verified = fmt::format("{} of {} resources are as declared.", right, ending.resources.size());
  if (right == ending.resources.size()) return;
  end_otherwise(ending, RunStatus::failed, ", but the server is not as declared",
                fmt::format("`{}` shows what is different and why.", session.suggest("plan --explain " + name)));
}

// `verify: true`, once the server is as declared: the tests of `gpuplan verify`. The run has succeeded and stays so; what
// fails is told, with an exit code that is not 0.
void test_cluster(Session& session, const Spec& spec, Ending& ending) {
  const std::string again = session.suggest("verify --cluster " + session.cluster);
  try {
    if (!session.console.json()) session.console.out() << "\nVerifying the cluster\n" << std::flush;
    const Verification verification = verify(session, spec);
    if (session.console.json()) {
      Json event = verification_json(verification);
      event["type"] = "verification_finished";
      session.console.event(std::move(event));
    } else {
      session.console.out() << verification_text(verification, !verification.passed());
    }
    ending.verified += fmt::format(" The cluster's tests: {}.", count_results(verification));
    if (verification.passed()) return;
    end_otherwise(ending, RunStatus::failed, ", but the cluster failed its verification",
                  fmt::format("mend what it names, then `{}`; no step is left to do or to roll back.", again));
  } catch (const Interrupted&) {
    end_otherwise(ending, RunStatus::interrupted, ", but its verification was interrupted",
                  fmt::format("`{}` verifies the cluster.", again));
  }
}

int end_without_changes(Session& session, const Plan& plan) {
  session.warn_of_unstruck_faults();
  if (!session.console.json()) {
    session.console.out() << fmt::format("No changes. {} as {} declares {}.\n",
                                         session.selection.is_partial()
                                             ? fmt::format("The {} selected resources are", plan.changes.size())
                                             : "Cluster " + plan.cluster + " is",
                                         printable(plan.spec_name), session.selection.is_partial() ? "them" : "it");
    return exit_done;
  }
  Ending ending;
  ending.status = to_string(RunStatus::succeeded);
  for (const Change& change : plan.changes) ending.resources.push_back({change.address, ResourceState::unchanged, {}, {}});
  print_ending(session.console, ending);
  return exit_done;
}

}  // namespace

void confirm(Session& session, const std::string& question) {
  if (session.options.yes) return;
  if (!session.console.can_ask()) {
    throw Failure(exit_nothing_changed, "nobody can be asked for confirmation, so nothing was changed",
                  session.console.json() ? "--json asks nothing" : "there is no terminal",
                  "add --yes to go on without a question");
  }
  if (session.console.ask(question + " Only \"yes\" is accepted: ")) return;
  throw Failure(exit_nothing_changed, "not confirmed; nothing was changed");
}

std::string way_on(const Session& session, const RollbackPlan& plan) {
  const std::string words = plan.way_on_spec.empty()
                                ? fmt::format("{} --cluster {}", plan.way_on_words, session.cluster)
                                : fmt::format("{} {}", plan.way_on_words, shell_quoted(plan.way_on_spec));
  return fmt::format(fmt::runtime(plan.way_on), session.suggest(words));
}

RollbackOutcome undo_runs(Session& session, const RollbackPlan& plan, const Spec& spec) {
  RunRecord record = session.record("rollback");
  record.spec_name = spec.file ? spec.file->name : "";
  record.spec_sha256 = spec.sha256;
  return while_running(session, [&] {
    return with_events(session, [&](RunEvents& events) {
      return roll_back(plan, spec, record, session.kinds, *session.guarded, session.writable_journal(), events,
                       {session.options.parallelism, &session.watch, session.state.node_logs(session.cluster)});
    });
  });
}

int carry_out(Session& session, const Plan& plan, const Spec& spec, const std::string& command) {
  const std::optional<RunRecord> unfinished = session.unfinished_run();
  if (!plan.has_changes() && !unfinished) return end_without_changes(session, plan);
  show(session, plan);
  refuse_what_is_impossible(session, plan);
  if (plan.has_changes()) {
    confirm(session, fmt::format("\n{} these changes on {}?", command == "destroy" ? "Destroy with" : "Make",
                                 printable(plan.host_description)));
  } else if (!session.console.json()) {
    session.console.out() << fmt::format("No changes are left. Run {}, which did not end, is completed.\n", unfinished->id);
  }
  if (Interrupt::requested()) throw Interrupted();
  session.console.out().flush();

  const RunRecord record = record_for(session, plan, spec, command);
  Journal& journal = session.writable_journal();
  const RunOutcome outcome = while_running(session, [&] {
    return with_events(session, [&](RunEvents& events) {
      return execute(plan, spec, record, session.kinds, *session.guarded, journal, events,
                     {session.options.parallelism, &session.watch, session.state.node_logs(session.cluster)});
    });
  });
  Ending ending = ending_of(session, outcome, command);
  const bool applied = outcome.status == RunStatus::succeeded && plan.purpose == PlanPurpose::apply;
  if (applied) keep_kubeconfig(session, spec);
  if (applied && spec.verify) {
    observe_again(session, spec, ending);
    const bool whole = spec.kubernetes.enabled && !session.selection.is_partial();
    if (whole && ending.exit_code == exit_done) test_cluster(session, spec, ending);
  }
  if (outcome.status == RunStatus::failed && spec.on_failure == "rollback" && !outcome.commit_begun) {
    roll_back_at_once(session, spec, ending);
  }
  forget_kubeconfig(session);
  session.warn_of_unstruck_faults();
  print_ending(session.console, ending);
  return ending.exit_code;
}

}  // namespace gpuplan::command
