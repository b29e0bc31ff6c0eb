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

struct Query {
  std::string what;  // its rows, in words
  std::string text;
  std::optional<std::int64_t> parameter;
};

// What is missing of a query that failed after `count` rows.
std::string loss_of(const Database& database, const Query& query, std::size_t count, const DatabaseError& error) {
  const bool has_other_tables = (error.code() & 0xFF) == SQLITE_ERROR;  // than those that the query names
  if (has_other_tables) return fmt::format("the journal {} has no {} that this gpuplan can read", database.name(), query.what);
  if (!error.may_be_shown()) return error.what();
  const std::string behind = count == 0 ? "" : fmt::format(" behind the first {}", count);
  return fmt::format("the journal {} has lost its {}{}", database.name(), query.what, behind);
}

// Calls read(row) for every row of a query. What is wrong with a row is an error that has its name(row); with `losses`, a
// sentence there, and the next row is read.
template <typename Name, typename Read>
void each_row(Database& database, const Query& query, Losses* losses, const Name& name, const Read& read) {
  const auto lose = [&](const std::string& sentence) {
    if (losses == nullptr) throw JournalError(sentence, true);
    losses->push_back(sentence);
  };
  std::size_t count = 0;
  try {
    Statement row = database.prepare(query.text);
    if (query.parameter) row.bind(*query.parameter);
    for (; row.step(); ++count) {
      try {
        read(row);
      } catch (const JsonError& error) {
        lose(fmt::format("the journal {} is damaged: {} cannot be read ({}); {}", database.name(), printable(name(row)),
                         printable(error.what()), damage_remedy()));
      } catch (const DatabaseError&) {
        throw;
      } catch (const JournalError& error) {
        if (losses == nullptr) throw;
        losses->push_back(error.what());
      }
    }
  } catch (const DatabaseError& error) {
    if (losses == nullptr) throw;
    losses->push_back(loss_of(database, query, count, error));
  }
}

// The rows of one run in their order; of a damaged journal as they lie in the table, since its indexes may be lost.
std::string rows_of_run(const char* columns, const char* table, const Losses* losses) {
  return losses == nullptr ? fmt::format("SELECT {} FROM {} WHERE run = ? ORDER BY position", columns, table)
                           : fmt::format("SELECT {} FROM {} NOT INDEXED WHERE run = ?", columns, table);
}

std::int64_t count_changes(Database& database, std::int64_t run) {
  Statement count = database.prepare("SELECT count(*) FROM changes WHERE run = ?");
  count.bind(run);
  return count.step() ? count.integer(0) : 0;
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
  each_row(database, {"runs", std::string(run_columns) + " ORDER BY id", {}}, losses,
           [](const Statement& row) { return fmt::format("run {}", row.integer(0)); },
           [&](const Statement& row) { runs.push_back(run_from(row)); });
  return runs;
}

std::optional<RunRecord> read_run(Database& database, std::int64_t id, Losses* losses) {
  std::optional<RunRecord> run;
  each_row(database, {fmt::format("run {}", id), std::string(run_columns) + " WHERE id = ?", id}, losses,
           [id](const Statement&) { return fmt::format("run {}", id); },
           [&](const Statement& row) { run = run_from(row); });
  return run;
}

std::vector<ChangeRecord> read_changes(Database& database, std::int64_t run, const UndoFiles& undo_files,
                                       Losses* losses) {
  std::vector<ChangeRecord> changes;
  const std::string query = rows_of_run("position, change, state, error, captured", "changes", losses);
  const auto name = [run](const Statement& row) { return fmt::format("change {} of run {}", row.integer(0), run); };
  each_row(database, {fmt::format("changes of run {}", run), query, run}, losses, name, [&](const Statement& row) {
    ChangeRecord record;
    record.run = run;
    record.index = losses != nullptr ? static_cast<std::size_t>(row.integer(0)) : next_position(row, changes.size());
    record.change = change_from_json(json_column(row, 1, "change"));
    record.state = known(resource_state_from_string(row.text(2)), row.text(2));
    record.error = row.text(3);
    changes.push_back(std::move(record));
    changes.back().captured = undo_data(row, 4, "captured", undo_files);
  });
  return changes;
}

std::vector<StageRecord> read_stages(Database& database, std::int64_t run, Losses* losses) {
  std::vector<StageRecord> stages;
  const std::int64_t changes = losses == nullptr ? count_changes(database, run) : 0;
  const std::string query = rows_of_run("position, change, stage, commit_phase, after, status, begun, ended", "stages", losses);
  const auto name = [run](const Statement& row) { return fmt::format("stage {} of run {}", row.integer(0), run); };
  each_row(database, {fmt::format("stages of run {}", run), query, run}, losses, name, [&](const Statement& row) {
    StageRecord record;
    record.run = run;
    record.index = losses != nullptr ? static_cast<std::size_t>(row.integer(0)) : next_position(row, stages.size());
    record.stage.change = static_cast<std::size_t>(row.integer(1));
    record.stage.stage = known(stage_from_string(row.text(2)), row.text(2));
    record.stage.commit_phase = row.integer(3) != 0;
    record.stage.after = positions_from(json_column(row, 4, "after"));
    record.status = known(stage_status_from_string(row.text(5)), row.text(5));
    record.begun = row.integer(6);
    record.ended = row.integer(7);
    if (losses == nullptr) require_references(record, changes);
    stages.push_back(std::move(record));
  });
  return stages;
}

std::vector<OwnedResource> read_owned(Database& database, const UndoFiles& undo_files, Losses* losses) {
  std::vector<OwnedResource> owned;
  if (losses == nullptr) owned.reserve(static_cast<std::size_t>(database.integer("SELECT count(*) FROM owned")));
  const std::string query = fmt::format("SELECT address, resource, origin, first_run, complete FROM owned {}",
                                        losses == nullptr ? "ORDER BY address" : "NOT INDEXED");
  const auto name = [](const Statement& row) { return "the record of " + row.text(0); };
  each_row(database, {"record of what gpuplan made", query, {}}, losses, name, [&](const Statement& row) {
    OwnedResource resource;
    resource.resource = resource_from_json(json_column(row, 1, "resource"));
    resource.first_run = row.integer(3);
    resource.complete = row.integer(4) != 0;
    owned.push_back(std::move(resource));
    owned.back().origin = undo_data(row, 2, "origin", undo_files);
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
