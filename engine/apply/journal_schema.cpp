#include "apply/journal_schema.h"

#include <fmt/format.h>

#include <array>
#include <ctime>

#include "report/diagnostic.h"

namespace gpuplan {
namespace {

constexpr const char* tables = R"sql(
CREATE TABLE meta (
  key TEXT PRIMARY KEY,
  value TEXT NOT NULL,
  seal TEXT NOT NULL GENERATED ALWAYS AS (row_seal(key, value)) STORED
) WITHOUT ROWID;
CREATE TABLE runs (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  command TEXT NOT NULL,
  argv TEXT NOT NULL,
  spec_name TEXT NOT NULL,
  spec_sha256 TEXT NOT NULL,
  spec_text TEXT NOT NULL,
  host_identity TEXT NOT NULL,
  host_description TEXT NOT NULL,
  pid INTEGER NOT NULL,
  started INTEGER NOT NULL,
  finished INTEGER NOT NULL,
  status TEXT NOT NULL,
  commit_begun INTEGER NOT NULL,
  seal TEXT NOT NULL GENERATED ALWAYS AS (row_seal(
    id, command, argv, spec_name, spec_sha256, spec_text, host_identity, host_description, pid, started, finished,
    status, commit_begun)) STORED
);
CREATE TABLE changes (
  run INTEGER NOT NULL REFERENCES runs(id),
  position INTEGER NOT NULL,
  address TEXT NOT NULL,
  action TEXT NOT NULL,
  resource TEXT NOT NULL,      -- JSON: as declared
  change TEXT NOT NULL,        -- JSON: the whole change
  state TEXT NOT NULL,
  error TEXT NOT NULL,
  captured TEXT,               -- JSON: undo data; NULL until captured
  owned_before TEXT,           -- JSON: the row of `owned` when the run began; NULL without one
  seal TEXT NOT NULL GENERATED ALWAYS AS (row_seal(
    run, position, address, action, resource, change, state, error, captured, owned_before)) STORED,
  PRIMARY KEY (run, position)
);
CREATE TABLE stages (
  run INTEGER NOT NULL REFERENCES runs(id),
  position INTEGER NOT NULL,
  change INTEGER NOT NULL,
  stage TEXT NOT NULL,
  commit_phase INTEGER NOT NULL,
  after TEXT NOT NULL,         -- JSON: positions
  status TEXT NOT NULL,
  begun INTEGER NOT NULL,
  ended INTEGER NOT NULL,
  seal TEXT NOT NULL GENERATED ALWAYS AS (row_seal(
    run, position, change, stage, commit_phase, after, status, begun, ended)) STORED,
  PRIMARY KEY (run, position)
);
CREATE TABLE owned (
  address TEXT PRIMARY KEY,
  resource TEXT NOT NULL,      -- JSON: as last declared
  origin TEXT NOT NULL,        -- JSON: undo data of its creation
  first_run INTEGER NOT NULL,
  complete INTEGER NOT NULL,
  seal TEXT NOT NULL GENERATED ALWAYS AS (row_seal(address, resource, origin, first_run, complete)) STORED
);
)sql";

// Per table: how a row is called, and whether it is as it was written. SQLite computes a seal with each change of a
// row; a byte that changes on the disk leaves the seal behind.
constexpr std::array broken_seals = {
    "SELECT 'the entry ' || key FROM meta WHERE seal IS NOT row_seal(key, value) LIMIT 1",
    "SELECT 'run ' || id FROM runs WHERE seal IS NOT row_seal(id, command, argv, spec_name, spec_sha256, spec_text, "
    "host_identity, host_description, pid, started, finished, status, commit_begun) LIMIT 1",
    "SELECT 'change ' || position || ' of run ' || run FROM changes WHERE seal IS NOT row_seal(run, position, address, "
    "action, resource, change, state, error, captured, owned_before) LIMIT 1",
    "SELECT 'stage ' || position || ' of run ' || run FROM stages WHERE seal IS NOT row_seal(run, position, change, "
    "stage, commit_phase, after, status, begun, ended) LIMIT 1",
    "SELECT 'the record of ' || address FROM owned WHERE seal IS NOT row_seal(address, resource, origin, first_run, "
    "complete) LIMIT 1"};

[[noreturn]] void fail_damaged(const Database& database, const std::string& how) {
  throw JournalError(fmt::format("the journal {} is damaged ({}); {}", database.name(), how, damage_remedy()), true);
}

std::string layout_of(Database& database) {
  return database.text("SELECT group_concat(sql, ';') FROM (SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY name)");
}

// SQLite's own structures, with its indexes, then what stands in the rows.
void require_healthy(Database& database) {
  Database blank(":memory:", "in memory", DatabaseMode::write);
  blank.execute(tables);
  if (layout_of(database) != layout_of(blank)) fail_damaged(database, "its tables are not those of a journal");
  std::string verdict = database.text("PRAGMA integrity_check(1)");
  if (verdict != "ok") {
    // "*** in database main ***", then on a line of its own what is wrong.
    verdict.erase(0, verdict.find('\n') == std::string::npos ? 0 : verdict.find('\n') + 1);
    fail_damaged(database, "SQLite: " + printable(verdict));
  }
  for (const char* query : broken_seals) {
    const std::string row = database.text(query);
    if (!row.empty()) fail_damaged(database, printable(row) + " is not as it was written");
  }
}

}  // namespace

void make_durable(Database& database) {
  const std::string mode = database.text("PRAGMA journal_mode = WAL");
  database.execute("PRAGMA synchronous = FULL");
  constexpr std::int64_t full = 2;
  if (mode == "wal" && database.integer("PRAGMA synchronous") == full) return;
  throw JournalError(fmt::format(
      "the journal {} cannot be kept durably: its file system does not support a write-ahead log (mode is {}); use a "
      "--state-dir on a local disk",
      database.name(), mode));
}

void lay_out(Database& database, const std::string& cluster) {
  database.execute("BEGIN IMMEDIATE");
  try {
    database.execute(tables);
    Statement insert = database.prepare("INSERT INTO meta (key, value) VALUES (?, ?)");
    insert.bind("cluster").bind(cluster).run();
    insert.bind("created").bind(std::to_string(std::time(nullptr))).run();
    database.execute(fmt::format("PRAGMA application_id = {}", journal_application_id).c_str());
    database.execute(fmt::format("PRAGMA user_version = {}", journal_format_version).c_str());
    database.execute("COMMIT");
  } catch (...) {
    if (database.in_transaction()) database.execute("ROLLBACK");
    throw;
  }
}

void require_sound(Database& database, const std::string& cluster) {
  if (database.integer("PRAGMA application_id") != journal_application_id) {
    throw JournalError(fmt::format(
        "the file {} is not a journal of gpuplan but a database of another program; move it away or use another "
        "--state-dir",
        database.name()), true);
  }
  const std::int64_t version = database.integer("PRAGMA user_version");
  if (version != journal_format_version) {
    throw JournalError(fmt::format(
        "the journal {} has format {}, and this gpuplan knows format {} only; use the gpuplan version that wrote it",
        database.name(), version, journal_format_version), true);
  }
  require_healthy(database);
  const std::string owner = database.text("SELECT value FROM meta WHERE key = 'cluster'");
  if (owner != cluster) {
    throw JournalError(
        owner.empty() ? fmt::format("the journal {} does not say whose it is: it is damaged; restore it from a backup",
                                    database.name())
                      : fmt::format("the journal {} belongs to cluster {}, not to {}: its directory was renamed or copied; "
                                    "call the directory {} again",
                                    database.name(), printable(owner), cluster, printable(owner)),
        true);
  }
}

}  // namespace gpuplan
