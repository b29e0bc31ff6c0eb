#include <fmt/format.h>

#include "apply/journal_names.h"
#include "apply/journal_rows.h"
#include "plugin/change_json.h"
#include "report/diagnostic.h"

namespace gpuplan {
namespace {

constexpr const char* run_columns =
    "SELECT id, command, argv, spec_name, spec_sha256, spec_text, host_identity, host_description, pid, started, "
    "finished, status, commit_begun FROM runs";

// Calls read(row name) for every row of a query. What is wrong with a row is an error that names it; with `losses`, a
// sentence there, and the next row is read.
template <typename Name, typename Read>
void each_row(const Database& database, Statement& rows, Losses* losses, const Name& name, const Read& read) {
  const auto lose = [&](const std::string& sentence) {
    if (losses == nullptr) throw JournalError(sentence, true);
    losses->push_back(sentence);
  };
  try {
    while (rows.step()) {
      try {
        read();
      } catch (const JsonError& error) {
        lose(fmt::format("the journal {} is damaged: {} cannot be read ({}); {}", database.name(), printable(name()),
                         printable(error.what()), damage_remedy));
      } catch (const DatabaseError&) {
        throw;
      } catch (const JournalError& error) {
        if (losses == nullptr) throw;
        losses->push_back(error.what());
      }
    }
  } catch (const DatabaseError& error) {
    if (losses == nullptr) throw;
    losses->push_back(error.what());  // rows behind this place are out of reach
  }
}

template <typename Enum>
Enum known(std::optional<Enum> value, const std::string& text) {
  if (!value) throw JsonError(fmt::format("unknown word '{}'", text));
  return *value;
}

// Undo data: in the row itself or, where it holds secrets, in the file that the row names.
Json undo_data(const Statement& row, int column, std::string_view name, const UndoFiles& files) {
  if (row.is_null(column)) return nullptr;
  const std::string text = row.text(column);
  return parse_json(UndoFiles::is_reference(text) ? files.read(text) : text, name);
}

Json json_column(const Statement& row, int column, std::string_view name) {
  if (row.is_null(column)) return nullptr;
  return parse_json(row.text(column), name);
}

RunRecord run_from(const Statement& row) {
  RunRecord run;
  run.id = row.integer(0);
  run.command = row.text(1);
  run.argv = row.text(2);
  run.spec_name = row.text(3);
  run.spec_sha256 = row.text(4);
  run.spec_text = row.text(5);
  run.host_identity = row.text(6);
  run.host_description = row.text(7);
  run.pid = row.integer(8);
  run.started = row.integer(9);
  run.finished = row.integer(10);
  run.status = known(run_status_from_string(row.text(11)), row.text(11));
  run.commit_begun = row.integer(12) != 0;
  return run;
}

// Rows are numbered without gaps. Where one was lost, what refers to those behind it is lost with it.
std::size_t next_position(const Statement& row, std::size_t count) {
  if (row.integer(0) != static_cast<std::int64_t>(count)) throw JsonError(fmt::format("number {} is missing", count));
  return count;
}

// A stage is one of a change that is there, and comes after stages that come before it.
void require_references(const StageRecord& record, std::int64_t changes) {
  if (record.stage.change >= static_cast<std::size_t>(changes)) throw JsonError("its change is missing");
  for (const std::size_t before : record.stage.after) {
    if (before >= record.index) throw JsonError("it waits for a later stage");
  }
}

std::vector<std::size_t> positions_from(const Json& json) {
  std::vector<std::size_t> positions;
  if (!json.is_array()) throw JsonError("positions are a list");
  for (const Json& position : json) {
    if (!position.is_number_unsigned()) throw JsonError("a position is a whole number");
    positions.push_back(position.get<std::size_t>());
  }
  return positions;
}

}  // namespace

std::vector<RunRecord> read_runs(Database& database, Losses* losses) {
  std::vector<RunRecord> runs;
  Statement rows = database.prepare(std::string(run_columns) + " ORDER BY id");
  each_row(database, rows, losses, [&] { return fmt::format("run {}", rows.integer(0)); },
           [&] { runs.push_back(run_from(rows)); });
  return runs;
}

std::optional<RunRecord> read_run(Database& database, std::int64_t id, Losses* losses) {
  std::optional<RunRecord> run;
  Statement rows = database.prepare(std::string(run_columns) + " WHERE id = ?");
  rows.bind(id);
  each_row(database, rows, losses, [&] { return fmt::format("run {}", id); }, [&] { run = run_from(rows); });
  return run;
}

std::vector<ChangeRecord> read_changes(Database& database, std::int64_t run, const UndoFiles& undo_files,
                                       Losses* losses) {
  std::vector<ChangeRecord> changes;
  Statement rows = database.prepare(
      "SELECT position, change, state, error, captured FROM changes WHERE run = ? ORDER BY position");
  rows.bind(run);
  const auto name = [&] { return fmt::format("change {} of run {}", rows.integer(0), run); };
  each_row(database, rows, losses, name, [&] {
    ChangeRecord record;
    record.run = run;
    record.index = losses != nullptr ? static_cast<std::size_t>(rows.integer(0)) : next_position(rows, changes.size());
    record.change = change_from_json(json_column(rows, 1, "change"));
    record.state = known(resource_state_from_string(rows.text(2)), rows.text(2));
    record.error = rows.text(3);
    // To be looked at only, a change needs no undo data.
    if (losses == nullptr) record.captured = undo_data(rows, 4, "captured", undo_files);
    changes.push_back(std::move(record));
  });
  return changes;
}

std::vector<StageRecord> read_stages(Database& database, std::int64_t run, Losses* losses) {
  std::vector<StageRecord> stages;
  Statement count = database.prepare("SELECT count(*) FROM changes WHERE run = ?");
  count.bind(run);
  Statement rows = database.prepare(
      "SELECT position, change, stage, commit_phase, after, status, begun, ended FROM stages WHERE run = ? "
      "ORDER BY position");
  rows.bind(run);
  const std::int64_t changes = losses == nullptr && count.step() ? count.integer(0) : 0;
  const auto name = [&] { return fmt::format("stage {} of run {}", rows.integer(0), run); };
  each_row(database, rows, losses, name, [&] {
    StageRecord record;
    record.run = run;
    record.index = losses != nullptr ? static_cast<std::size_t>(rows.integer(0)) : next_position(rows, stages.size());
    record.stage.change = static_cast<std::size_t>(rows.integer(1));
    record.stage.stage = known(stage_from_string(rows.text(2)), rows.text(2));
    record.stage.commit_phase = rows.integer(3) != 0;
    record.stage.after = positions_from(json_column(rows, 4, "after"));
    record.status = known(stage_status_from_string(rows.text(5)), rows.text(5));
    record.begun = rows.integer(6);
    record.ended = rows.integer(7);
    if (losses == nullptr) require_references(record, changes);
    stages.push_back(std::move(record));
  });
  return stages;
}

std::vector<OwnedResource> read_owned(Database& database, const UndoFiles& undo_files, Losses* losses) {
  std::vector<OwnedResource> owned;
  Statement rows =
      database.prepare("SELECT address, resource, origin, first_run, complete FROM owned ORDER BY address");
  each_row(database, rows, losses, [&] { return "the record of " + rows.text(0); }, [&] {
    OwnedResource resource;
    resource.resource = resource_from_json(json_column(rows, 1, "resource"));
    if (losses == nullptr) resource.origin = undo_data(rows, 2, "origin", undo_files);
    resource.first_run = rows.integer(3);
    resource.complete = rows.integer(4) != 0;
    owned.push_back(std::move(resource));
  });
  if (losses == nullptr) mark_unfinished(database, owned);
  return owned;
}

std::set<std::string> read_undo_references(Database& database) {
  std::set<std::string> references;
  Statement rows = database.prepare(
      "SELECT origin FROM owned WHERE origin LIKE 'file %' UNION SELECT captured FROM changes WHERE captured LIKE 'file %'");
  while (rows.step()) references.insert(rows.text(0));
  return references;
}

}  // namespace gpuplan
