#include "apply/journal_schema.h"

#include <fmt/format.h>

#include <ctime>

namespace gpuplan {
namespace {

constexpr const char* tables = R"sql(
CREATE TABLE meta (
  key TEXT PRIMARY KEY,
  value TEXT NOT NULL
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
  commit_begun INTEGER NOT NULL
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
  PRIMARY KEY (run, position)
);
CREATE TABLE owned (
  address TEXT PRIMARY KEY,
  resource TEXT NOT NULL,      -- JSON: as last declared
  origin TEXT NOT NULL,        -- JSON: undo data of its creation
  first_run INTEGER NOT NULL,
  complete INTEGER NOT NULL
);
)sql";

void require_healthy(Database& database) {
  std::string verdict = database.text("PRAGMA quick_check(1)");
  if (verdict == "ok") return;
  // "*** in database main ***", then on a line of its own what is wrong.
  verdict.erase(0, verdict.find('\n') == std::string::npos ? 0 : verdict.find('\n') + 1);
  throw JournalError(
      fmt::format("the journal {} is damaged (SQLite: {}); restore it from a backup, or move it away with its -wal "
                  "and -shm files "
                  "(gpuplan then no longer knows what it made)",
                  database.name(), verdict));
}

}  // namespace

bool is_blank(Database& database) {
  return database.integer("PRAGMA application_id") == 0 && database.integer("PRAGMA user_version") == 0 &&
         database.integer("SELECT count(*) FROM sqlite_master") == 0;
}

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
    if (is_blank(database)) {
      database.execute(tables);
      Statement insert = database.prepare("INSERT INTO meta (key, value) VALUES (?, ?)");
      insert.bind("cluster").bind(cluster).run();
      insert.bind("created").bind(std::to_string(std::time(nullptr))).run();
      database.execute(fmt::format("PRAGMA application_id = {}", journal_application_id).c_str());
      database.execute(fmt::format("PRAGMA user_version = {}", journal_format_version).c_str());
    }
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
        database.name()));
  }
  const std::int64_t version = database.integer("PRAGMA user_version");
  if (version != journal_format_version) {
    throw JournalError(fmt::format(
        "the journal {} has format {}, and this gpuplan knows format {} only; use the gpuplan version that wrote it",
        database.name(), version, journal_format_version));
  }
  require_healthy(database);
  const std::string owner = database.text("SELECT value FROM meta WHERE key = 'cluster'");
  if (owner != cluster) {
    throw JournalError(
        owner.empty() ? fmt::format("the journal {} does not say whose it is: it is damaged; restore it from a backup",
                                    database.name())
                      : fmt::format("the journal {} belongs to cluster {}, not to {}: its directory was renamed or copied; "
                                    "call the directory {} again",
                                    database.name(), printable(owner), cluster, printable(owner)));
  }
}

}  // namespace gpuplan
