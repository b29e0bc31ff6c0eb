#include <fmt/format.h>

#include <ctime>

#include "apply/journal_rows.h"
#include "plugin/change_json.h"

namespace gpuplan {
namespace {

std::int64_t now() { return std::time(nullptr); }

std::int64_t number(std::size_t position) { return static_cast<std::int64_t>(position); }

// A record that the engine believes in and the journal lacks.
void require_one_row(const Database& database, const std::string& row) {
  if (database.changed_rows() == 1) return;
  throw JournalError(
      fmt::format("the journal {} has no {}; this is a defect of gpuplan: please report it", database.name(), row));
}

std::string name_of_change(std::int64_t run, std::size_t change) {
  return fmt::format("change {} of run {}", change, run);
}

// The row of `owned` as JSON text; nothing if there is none.
std::optional<std::string> owned_row(Database& database, const std::string& address) {
  Statement row = database.prepare("SELECT resource, origin, first_run, complete FROM owned WHERE address = ?");
  row.bind(address);
  if (!row.step()) return {};
  return Json{
      {"resource", row.text(0)}, {"origin", row.text(1)}, {"first_run", row.integer(2)}, {"complete", row.integer(3)}}
      .dump();
}

// A new owner's record keeps the origin and the first run that are there.
void write_owned(Database& database, std::int64_t run, std::size_t change, bool complete) {
  Statement upsert = database.prepare(
      "INSERT INTO owned (address, resource, origin, first_run, complete) "
      "SELECT address, resource, coalesce(captured, 'null'), run, ?3 FROM changes WHERE run = ?1 AND position = ?2 "
      "ON CONFLICT (address) DO UPDATE SET resource = excluded.resource, complete = excluded.complete");
  upsert.bind(run).bind(number(change)).bind(std::int64_t{complete ? 1 : 0}).run();
}

void restore_owned(Database& database, const std::string& address, const std::optional<std::string>& before) {
  if (!before) {
    database.prepare("DELETE FROM owned WHERE address = ?").bind(address).run();
    return;
  }
  const Json row = parse_json(*before, "the former owner of " + address);
  database
      .prepare("INSERT OR REPLACE INTO owned (address, resource, origin, first_run, complete) VALUES (?, ?, ?, ?, ?)")
      .bind(address)
      .bind(string_at(row, "/resource"))
      .bind(string_at(row, "/origin"))
      .bind(int_at(row, "/first_run"))
      .bind(int_at(row, "/complete"))
      .run();
}

}  // namespace

std::string journal_json(const Json& json, const std::string& what) {
  try {
    return json.dump();
  } catch (const Json::exception&) {
    throw JournalError(
        fmt::format("cannot record {} in the journal: it holds text that is not UTF-8; nothing of it was changed. "
                    "Please report it",
                    what));
  }
}

StoredChange stored_change(const Change& change) {
  // What a host wrote into an attribute is shown, not written back: a replacement character will do.
  const auto text = [](const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); };
  return {change.address.to_string(), std::string(to_string(change.action)), text(to_json(stored_resource(change))),
          text(to_json(change))};
}

std::int64_t insert_run(Database& database, const RunRecord& run) {
  database
      .prepare(
          "INSERT INTO runs (command, argv, spec_name, spec_sha256, spec_text, host_identity, host_description, pid, "
          "started, finished, status, commit_begun) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 0, ?, 0)")
      .bind(run.command)
      .bind(run.argv)
      .bind(run.spec_name)
      .bind(run.spec_sha256)
      .bind(run.spec_text)
      .bind(run.host_identity)
      .bind(run.host_description)
      .bind(run.pid)
      .bind(run.started != 0 ? run.started : now())
      .bind(to_string(RunStatus::running))
      .run();
  return database.last_row_id();
}

void insert_changes(Database& database, std::int64_t run, const std::vector<StoredChange>& changes) {
  Statement insert = database.prepare(
      "INSERT INTO changes (run, position, address, action, resource, change, state, error, captured, owned_before) "
      "VALUES (?, ?, ?, ?, ?, ?, ?, '', NULL, ?)");
  for (std::size_t i = 0; i < changes.size(); ++i) {
    const StoredChange& change = changes[i];
    insert.bind(run)
        .bind(number(i))
        .bind(change.address)
        .bind(change.action)
        .bind(change.resource)
        .bind(change.change)
        .bind(to_string(ResourceState::pending))
        .bind_optional(owned_row(database, change.address))
        .run();
  }
}

void insert_stages(Database& database, std::int64_t run, const std::vector<PlannedStage>& stages) {
  Statement insert = database.prepare(
      "INSERT INTO stages (run, position, change, stage, commit_phase, after, status, begun, ended) "
      "VALUES (?, ?, ?, ?, ?, ?, ?, 0, 0)");
  for (std::size_t i = 0; i < stages.size(); ++i) {
    const PlannedStage& stage = stages[i];
    insert.bind(run)
        .bind(number(i))
        .bind(number(stage.change))
        .bind(to_string(stage.stage))
        .bind(std::int64_t{stage.commit_phase ? 1 : 0})
        .bind(Json(stage.after).dump())
        .bind(to_string(StageStatus::planned))
        .run();
  }
}

void write_captured(Database& database, std::int64_t run, std::size_t change, const std::string& data) {
  database.prepare("UPDATE changes SET captured = ?3 WHERE run = ?1 AND position = ?2")
      .bind(run)
      .bind(number(change))
      .bind(data)
      .run();
  require_one_row(database, name_of_change(run, change));
  Statement action = database.prepare("SELECT action FROM changes WHERE run = ? AND position = ?");
  action.bind(run).bind(number(change));
  if (action.step() && action.text(0) == to_string(Action::create)) write_owned(database, run, change, false);
}

void write_stage_begun(Database& database, std::int64_t run, std::size_t stage) {
  database.prepare("UPDATE stages SET status = ?3, begun = ?4, ended = 0 WHERE run = ?1 AND position = ?2")
      .bind(run)
      .bind(number(stage))
      .bind(to_string(StageStatus::begun))
      .bind(now())
      .run();
  require_one_row(database, fmt::format("stage {} of run {}", stage, run));
}

void write_commit_begun(Database& database, std::int64_t run) {
  database.prepare("UPDATE runs SET commit_begun = 1 WHERE id = ?").bind(run).run();
  require_one_row(database, fmt::format("run {}", run));
}

void write_stage_status(Database& database, std::int64_t run, std::size_t stage, StageStatus status) {
  database.prepare("UPDATE stages SET status = ?3, ended = ?4 WHERE run = ?1 AND position = ?2")
      .bind(run)
      .bind(number(stage))
      .bind(to_string(status))
      .bind(status == StageStatus::begun || status == StageStatus::undo_begun ? 0 : now())
      .run();
  require_one_row(database, fmt::format("stage {} of run {}", stage, run));
}

void write_change_end(Database& database, std::int64_t run, std::size_t change, ResourceState state,
                      const std::string& error) {
  database.prepare("UPDATE changes SET state = ?3, error = ?4 WHERE run = ?1 AND position = ?2")
      .bind(run)
      .bind(number(change))
      .bind(to_string(state))
      .bind(error)
      .run();
  require_one_row(database, name_of_change(run, change));
  constexpr std::string_view address_of_change = "(SELECT address FROM changes WHERE run = ?1 AND position = ?2)";
  switch (state) {
    case ResourceState::created:
    case ResourceState::updated:
    case ResourceState::replaced:
      write_owned(database, run, change, true);
      return;
    case ResourceState::unchanged:
      database
          .prepare(
              fmt::format("UPDATE owned SET complete = 1, resource = (SELECT resource FROM changes WHERE run = ?1 "
                          "AND position = ?2) WHERE address = {}",
                          address_of_change))
          .bind(run)
          .bind(number(change))
          .run();
      return;
    case ResourceState::removed:
      database.prepare(fmt::format("DELETE FROM owned WHERE address = {}", address_of_change))
          .bind(run)
          .bind(number(change))
          .run();
      return;
    default:
      return;
  }
}

void write_change_undone(Database& database, std::int64_t run, std::size_t change) {
  Statement row = database.prepare("SELECT address, owned_before FROM changes WHERE run = ? AND position = ?");
  row.bind(run).bind(number(change));
  const bool found = row.step();
  const std::string address = found ? row.text(0) : "";
  const auto before = found && !row.is_null(1) ? std::optional(row.text(1)) : std::nullopt;
  database.prepare("UPDATE changes SET state = ?3 WHERE run = ?1 AND position = ?2")
      .bind(run)
      .bind(number(change))
      .bind(to_string(ResourceState::undone))
      .run();
  require_one_row(database, name_of_change(run, change));
  restore_owned(database, address, before);
}

void write_run_rolled_back(Database& database, std::int64_t run) {
  write_run_status(database, run, RunStatus::rolled_back);
  // It cannot be undone twice, so nobody needs its secrets. Every other run still can be, also the one that removes.
  database.prepare("UPDATE changes SET captured = NULL WHERE run = ? AND captured LIKE 'file %'").bind(run).run();
  // Newest first, each run of a chain gives back what it found; a later run that stands has its own say.
  Statement rows = database.prepare(
      "SELECT address, owned_before FROM changes AS mine WHERE run = ?1 AND NOT EXISTS (SELECT 1 FROM changes AS later "
      "JOIN runs ON runs.id = later.run WHERE later.address = mine.address AND later.run > ?1 AND runs.status <> ?2)");
  rows.bind(run).bind(to_string(RunStatus::rolled_back));
  while (rows.step()) {
    restore_owned(database, rows.text(0), rows.is_null(1) ? std::nullopt : std::optional(rows.text(1)));
  }
}

void write_run_status(Database& database, std::int64_t run, RunStatus status) {
  // A run that was killed has no end until somebody says what became of it.
  database
      .prepare("UPDATE runs SET status = ?2, finished = CASE finished WHEN 0 THEN ?3 ELSE finished END WHERE id = ?1")
      .bind(run)
      .bind(to_string(status))
      .bind(now())
      .run();
  require_one_row(database, fmt::format("run {}", run));
}

}  // namespace gpuplan
