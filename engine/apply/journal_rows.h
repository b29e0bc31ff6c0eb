// The journal's records as rows: every SQL statement about runs, changes, stages and owned resources.
#pragma once

#include <vector>

#include "apply/journal.h"
#include "apply/journal_database.h"
#include "apply/undo_files.h"

namespace gpuplan {

// ------------------------------------------------------------------------------------ reading
// Throw JournalError for rows that cannot be read and for texts that are none of ours. With `losses`, such rows are
// left out, and undo data that cannot be read is null, with a sentence there for each.

using Losses = std::vector<std::string>;

std::vector<RunRecord> read_runs(Database& database, Losses* losses);
std::optional<RunRecord> read_run(Database& database, std::int64_t id, Losses* losses);
std::vector<ChangeRecord> read_changes(Database& database, std::int64_t run, const UndoFiles& undo_files,
                                       Losses* losses);
std::vector<StageRecord> read_stages(Database& database, std::int64_t run, Losses* losses);
std::vector<OwnedResource> read_owned(Database& database, const UndoFiles& undo_files, Losses* losses);
// Sets of each what the runs since the last that ended well have left undone: withdrawal_begun, commit_due, is_gone.
void mark_unfinished(Database& database, std::vector<OwnedResource>& owned);
// The undo files that a row leads to.
std::set<std::string> read_undo_references(Database& database);

// ------------------------------------------------------------------------------------ writing
// Within a transaction of the caller. Throw JournalError if the row to be changed is not there.

// JSON texts of one change, made before the transaction begins.
struct StoredChange {
  std::string address, action, resource, change;
};
StoredChange stored_change(const Change& change);

std::int64_t insert_run(Database& database, const RunRecord& run);
void insert_changes(Database& database, std::int64_t run, const std::vector<StoredChange>& changes);
void insert_stages(Database& database, std::int64_t run, const std::vector<PlannedStage>& stages);
void write_captured(Database& database, std::int64_t run, std::size_t change, const std::string& data);
void write_stage_begun(Database& database, std::int64_t run, std::size_t stage);
void write_commit_begun(Database& database, std::int64_t run);
void write_stage_status(Database& database, std::int64_t run, std::size_t stage, StageStatus status);
void write_change_end(Database& database, std::int64_t run, std::size_t change, ResourceState state,
                      const std::string& error);
void write_change_undone(Database& database, std::int64_t run, std::size_t change);
void write_run_status(Database& database, std::int64_t run, RunStatus status);
void write_run_rolled_back(Database& database, std::int64_t run);

// JSON text as the journal stores it. Throws JournalError for text that is not UTF-8: `what` names it.
std::string journal_json(const Json& json, const std::string& what);

}  // namespace gpuplan
