#include <fmt/format.h>

#include "apply/journal_names.h"
#include "apply/journal_rows.h"
#include "plugin/change_json.h"

namespace gpuplan {
namespace {

constexpr const char* run_columns =
    "SELECT id, command, argv, spec_name, spec_sha256, spec_text, host_identity, host_description, pid, started, "
    "finished, status, commit_begun FROM runs";

[[noreturn]] void fail_row(const Database& database, const std::string& row, std::string_view reason) {
  throw JournalError(
      fmt::format("the journal {} is damaged: {} cannot be read ({}); restore it from a backup, or move it away with "
                  "its -wal and "
                  "-shm files (gpuplan then no longer knows what it made)",
                  database.name(), row, reason));
}

// Runs `read` and words what is wrong with the row `name`.
template <typename Read>
auto read_row(const Database& database, const std::string& name, const Read& read) {
  try {
    return read();
  } catch (const JsonError& error) {
    fail_row(database, name, error.what());
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

RunRecord run_from(const Database& database, const Statement& row) {
  return read_row(database, fmt::format("run {}", row.integer(0)), [&] {
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
  });
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

std::vector<RunRecord> read_runs(Database& database) {
  std::vector<RunRecord> runs;
  Statement rows = database.prepare(std::string(run_columns) + " ORDER BY id");
  while (rows.step()) runs.push_back(run_from(database, rows));
  return runs;
}

std::optional<RunRecord> read_run(Database& database, std::int64_t id) {
  Statement row = database.prepare(std::string(run_columns) + " WHERE id = ?");
  row.bind(id);
  if (!row.step()) return {};
  return run_from(database, row);
}

std::vector<ChangeRecord> read_changes(Database& database, std::int64_t run, const UndoFiles& undo_files) {
  std::vector<ChangeRecord> changes;
  Statement rows = database.prepare(
      "SELECT position, change, state, error, captured FROM changes WHERE run = ? ORDER BY position");
  rows.bind(run);
  while (rows.step()) {
    changes.push_back(read_row(database, fmt::format("change {} of run {}", rows.integer(0), run), [&] {
      ChangeRecord record;
      record.run = run;
      record.index = static_cast<std::size_t>(rows.integer(0));
      record.change = change_from_json(json_column(rows, 1, "change"));
      record.state = known(resource_state_from_string(rows.text(2)), rows.text(2));
      record.error = rows.text(3);
      record.captured = undo_data(rows, 4, "captured", undo_files);
      return record;
    }));
  }
  return changes;
}

std::vector<StageRecord> read_stages(Database& database, std::int64_t run) {
  std::vector<StageRecord> stages;
  Statement rows = database.prepare(
      "SELECT position, change, stage, commit_phase, after, status, begun, ended FROM stages WHERE run = ? "
      "ORDER BY position");
  rows.bind(run);
  while (rows.step()) {
    stages.push_back(read_row(database, fmt::format("stage {} of run {}", rows.integer(0), run), [&] {
      StageRecord record;
      record.run = run;
      record.index = static_cast<std::size_t>(rows.integer(0));
      record.stage.change = static_cast<std::size_t>(rows.integer(1));
      record.stage.stage = known(stage_from_string(rows.text(2)), rows.text(2));
      record.stage.commit_phase = rows.integer(3) != 0;
      record.stage.after = positions_from(json_column(rows, 4, "after"));
      record.status = known(stage_status_from_string(rows.text(5)), rows.text(5));
      record.begun = rows.integer(6);
      record.ended = rows.integer(7);
      return record;
    }));
  }
  return stages;
}

std::vector<OwnedResource> read_owned(Database& database, const UndoFiles& undo_files) {
  std::vector<OwnedResource> owned;
  Statement rows =
      database.prepare("SELECT address, resource, origin, first_run, complete FROM owned ORDER BY address");
  while (rows.step()) {
    owned.push_back(read_row(database, "the record of " + rows.text(0), [&] {
      OwnedResource resource;
      resource.resource = resource_from_json(json_column(rows, 1, "resource"));
      resource.origin = undo_data(rows, 2, "origin", undo_files);
      resource.first_run = rows.integer(3);
      resource.complete = rows.integer(4) != 0;
      return resource;
    }));
  }
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
