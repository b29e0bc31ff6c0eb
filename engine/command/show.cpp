// gpuplan show: one run in detail.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <iostream>
#include <set>

#include "command/exit_codes.h"
#include "command/failure.h"
#include "command/run_json.h"
#include "command/session.h"
#include "command/show_document.h"
#include "command/verbs.h"
#include "plan/print_json.h"
#include "plan/print_text.h"

namespace gpuplan::command {
namespace {

RunRecord find_run(Session& session) {
  const std::vector<RunRecord> runs = session.journal ? session.journal->runs() : std::vector<RunRecord>{};
  if (runs.empty()) throw Failure(exit_nothing_changed, fmt::format("cluster {} has no runs", session.cluster));
  if (session.options.arguments.empty()) return runs.back();
  const std::string& text = session.options.arguments.front();
  std::int64_t id = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), id);
  if (parsed.ec != std::errc{} || parsed.ptr != text.data() + text.size()) {
    throw Failure(exit_bad_flags, fmt::format("\"{}\" is not the number of a run", printable(text)), {},
                  fmt::format("`{}` lists the runs", session.suggest("history --cluster " + session.cluster)));
  }
  const auto found = std::find_if(runs.begin(), runs.end(), [id](const RunRecord& run) { return run.id == id; });
  if (found != runs.end()) return *found;
  throw Failure(exit_nothing_changed, fmt::format("cluster {} has no run {}", session.cluster, id), {},
                fmt::format("its runs are {} to {}; `{}` lists them", runs.front().id, runs.back().id,
                            session.suggest("history --cluster " + session.cluster)));
}

// The address of a stage's change, which a damaged journal may lack.
std::string address_of(const StageRecord& stage, const std::vector<ChangeRecord>& changes) {
  const auto found = std::find_if(changes.begin(), changes.end(),
                                  [&](const ChangeRecord& change) { return change.index == stage.stage.change; });
  return found == changes.end() ? "(lost)" : found->change.address.to_string();
}

Json to_document(const RunRecord& run, const std::vector<ChangeRecord>& changes, const std::vector<StageRecord>& stages) {
  Json change_items = Json::array();
  for (const ChangeRecord& record : changes) {
    Json item = change_to_plan_json(record.change);
    item["state"] = to_string(record.state);
    item["error"] = record.error.empty() ? Json() : Json(record.error);
    change_items.push_back(std::move(item));
  }
  Json stage_items = Json::array();
  for (const StageRecord& record : stages) {
    stage_items.push_back({{"address", address_of(record, changes)},
                           {"stage", to_string(record.stage.stage)},
                           {"commit_phase", record.stage.commit_phase},
                           {"after", record.stage.after},
                           {"status", to_string(record.status)},
                           {"begun", record.begun},
                           {"ended", record.ended}});
  }
  return {{"format_version", plan_format_version},
          {"run", run_to_json(run)},
          {"changes", std::move(change_items)},
          {"stages", std::move(stage_items)}};
}

std::string heading(const RunRecord& run, bool locked) {
  std::string out = fmt::format("Run {}\n  Command:  {}\n  Server:   {}\n  Started:  {}\n", describe_run(run, locked),
                                printable(run.argv), printable(run.host_description), format_time(run.started));
  if (run.finished != 0) out += fmt::format("  Finished: {}\n", format_time(run.finished));
  if (!run.spec_name.empty()) out += fmt::format("  Spec:     {} (sha256 {})\n", printable(run.spec_name), run.spec_sha256);
  if (run.commit_begun) out += "  It began what cannot be undone; it can only be completed.\n";
  return out;
}

std::string to_text(const std::vector<ChangeRecord>& changes, const std::vector<StageRecord>& stages,
                    const PrintStyle& style) {
  std::string out = "\nChanges\n";
  for (const ChangeRecord& record : changes) {
    out += print_change(record.change, StepKinds(), style);
    out += fmt::format("      ended: {}\n", to_string(record.state));
    if (!record.error.empty()) out += fmt::format("      error: {}\n", printable(record.error));
  }
  out += "\nStages\n";
  for (const StageRecord& record : stages) {
    // A clock that was set back makes an end before its beginning.
    const std::string took = record.begun <= 0 || record.ended < record.begun
                                 ? ""
                                 : format_whole_duration(record.ended - record.begun);
    out += fmt::format("{:>4}  {:<9} {:<12} {:<9} {}\n", record.index, to_string(record.stage.stage), to_string(record.status),
                       took, address_of(record, changes));
  }
  return out;
}

// What is wrong with a journal that is shown all the same.
struct Damage {
  std::string reason;  // empty: nothing
  std::vector<std::string> losses;

  // Some rows are read twice.
  std::set<std::string> distinct_losses() const {
    std::set<std::string> out(losses.begin(), losses.end());
    out.erase(reason);
    return out;
  }
};

void show_damage(Session& session, const Damage& damage, const std::string& why) {
  if (damage.reason.empty()) return;
  std::vector<Diagnostic> problems;
  for (const std::string& loss : damage.distinct_losses()) {
    problems.push_back({Severity::warning, loss, {}, {}, {}, std::nullopt});
  }
  problems.push_back(diagnostic_of(JournalError(damage.reason)));
  problems.back().why = why;
  session.console.show(problems);
}

Json damage_to_json(const Damage& damage) {
  return {{"reason", damage.reason}, {"losses", damage.distinct_losses()}};
}

struct ShownRun {
  RunRecord run;
  std::vector<ChangeRecord> changes;
  std::vector<StageRecord> stages;
};

ShownRun read_run(Session& session) {
  RunRecord run = find_run(session);
  const std::int64_t id = run.id;
  return {std::move(run), session.journal->changes(id), session.journal->stages(id)};
}

// A journal that every other verb refuses is shown as far as it can be read.
ShownRun read_run_or_its_remains(Session& session, Damage& damage) {
  try {
    session.read_journal();
    return read_run(session);
  } catch (const JournalError& error) {
    if (!error.may_be_shown()) throw;
    damage.reason = error.what();
  }
  session.journal = Journal::open_refused(session.state.journal(session.cluster), damage.losses);
  if (session.journal->runs().empty()) throw JournalError(damage.reason);
  try {
    return read_run(session);
  } catch (const Failure&) {
    show_damage(session, damage, {});  // the run may be one that was lost
    throw;
  }
}

}  // namespace

int run_show(Session& session) {
  if (!session.options.arguments.empty() && is_document(session.options.arguments.front())) return show_document(session);
  session.choose_cluster();
  Damage damage;
  const auto [run, changes, stages] = read_run_or_its_remains(session, damage);
  show_damage(session, damage, "what is shown is what can still be read; it may be wrong");
  const int code = damage.reason.empty() ? exit_done : exit_nothing_changed;
  if (session.console.json()) {
    Json document = to_document(run, changes, stages);
    if (!damage.reason.empty()) document["damage"] = damage_to_json(damage);
    session.console.document(document);
    return code;
  }
  const bool locked = lock_holder(session.state.lock(session.cluster)).has_value();
  session.console.out() << heading(run, locked);
  if (!changes.empty()) {
    session.console.out() << to_text(changes, stages, {session.console.color_out(), false});
  }
  return code;
}

}  // namespace gpuplan::command
