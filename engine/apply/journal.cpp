#include "apply/journal.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <mutex>
#include <set>
#include <utility>

#include "apply/faulty_disk.h"
#include "apply/journal_file.h"
#include "apply/journal_log.h"
#include "apply/journal_rows.h"
#include "apply/journal_schema.h"
#include "apply/journal_writer.h"

namespace gpuplan {
namespace {

// Reads on a connection of their own, so that they never wait for a writer.
class SqliteJournal : public Journal {
 public:
  // `writing` is null for a journal that is only read; `losses` is for one that is refused.
  SqliteJournal(const std::string& path, std::unique_ptr<Database> reading, std::unique_ptr<Database> writing,
                WriteHook hook, Losses* losses = nullptr, std::unique_ptr<FaultyDisk> disk = nullptr)
      : undo_files_(path + "-undo"), disk_(std::move(disk)), writing_(std::move(writing)), reading_(std::move(reading)), losses_(losses) {
    if (writing_) writer_ = std::make_unique<JournalWriter>(*writing_, std::move(hook));
  }

  std::vector<RunRecord> runs() override {
    const std::lock_guard lock(read_mutex_);
    return read_runs(*reading_, losses_);
  }
  std::optional<RunRecord> run(std::int64_t id) override {
    const std::lock_guard lock(read_mutex_);
    return read_run(*reading_, id, losses_);
  }
  std::vector<ChangeRecord> changes(std::int64_t run) override {
    const std::lock_guard lock(read_mutex_);
    return read_changes(*reading_, run, undo_files_, losses_);
  }
  std::vector<StageRecord> stages(std::int64_t run) override {
    const std::lock_guard lock(read_mutex_);
    return read_stages(*reading_, run, losses_);
  }
  std::vector<OwnedResource> owned() override {
    const std::lock_guard lock(read_mutex_);
    return read_owned(*reading_, undo_files_, losses_);
  }

  std::int64_t begin_run(const RunRecord& run, const Plan& plan) override {
    std::vector<StoredChange> changes;
    changes.reserve(plan.changes.size());
    for (const Change& change : plan.changes) changes.push_back(stored_change(change));
    std::int64_t id = 0;
    write([&](Database& database) {
      id = insert_run(database, run);
      insert_changes(database, id, changes);
      insert_stages(database, id, plan.stages);
    });
    const std::lock_guard lock(secret_mutex_);
    for (std::size_t i = 0; i < plan.changes.size(); ++i) {
      if (!plan.changes[i].sensitive.empty()) secret_.emplace(id, i);
    }
    return id;
  }

  void captured(std::int64_t run, std::size_t change, const Json& data) override {
    const std::string text = undo_data(run, change, data);
    write([&](Database& database) { write_captured(database, run, change, text); });
  }

  void stage_begins(std::int64_t run, std::size_t stage) override {
    write([&](Database& database) { write_stage_begun(database, run, stage); });
  }

  void commit_stage_begins(std::int64_t run, std::size_t stage) override {
    write([&](Database& database) {
      write_commit_begun(database, run);
      write_stage_begun(database, run, stage);
    });
  }

  void stage_ends(std::int64_t run, std::size_t stage, StageStatus status) override {
    write([&](Database& database) { write_stage_status(database, run, stage, status); });
  }

  void change_ends(std::int64_t run, std::size_t change, ResourceState state, const std::string& error) override {
    write([&](Database& database) { write_change_end(database, run, change, state, error); });
  }

  void run_ends(std::int64_t run, RunStatus status) override {
    write([&](Database& database) { write_run_status(database, run, status); });
  }

  void change_begins(std::int64_t run, std::size_t change, const Json& data, std::size_t stage,
                     bool commit_phase) override {
    const std::string text = undo_data(run, change, data);
    write([&](Database& database) {
      write_captured(database, run, change, text);
      if (commit_phase) write_commit_begun(database, run);
      write_stage_begun(database, run, stage);
    });
  }

  void change_done(std::int64_t run, std::size_t change, ResourceState state, std::size_t stage) override {
    write([&](Database& database) {
      write_stage_status(database, run, stage, StageStatus::done);
      write_change_end(database, run, change, state, {});
    });
  }

  void changes_end(std::int64_t run, const std::map<std::size_t, ResourceState>& states) override {
    if (states.empty()) return;
    write([&](Database& database) {
      for (const auto& [change, state] : states) write_change_end(database, run, change, state, {});
    });
  }

  void change_undone(std::int64_t run, std::size_t change) override {
    write([&](Database& database) { write_change_undone(database, run, change); });
  }

  std::int64_t begin_rollback(const RunRecord& run) override {
    std::int64_t id = 0;
    write([&](Database& database) { id = insert_run(database, run); });
    return id;
  }

  void run_rolled_back(std::int64_t run) override {
    write([&](Database& database) { write_run_rolled_back(database, run); });
    const std::lock_guard lock(read_mutex_);
    undo_files_.remove_others(read_undo_references(*reading_));
  }

 private:
  // What the row of the change holds: the data itself, or the name of a file where secrets are in it.
  std::string undo_data(std::int64_t run, std::size_t change, const Json& data) {
    std::string text = journal_json(data, fmt::format("the undo data of change {} of run {}", change, run));
    return holds_secrets(run, change) ? undo_files_.keep(run, change, text) : text;
  }

  bool holds_secrets(std::int64_t run, std::size_t change) {
    const std::lock_guard lock(secret_mutex_);
    return secret_.count({run, change}) > 0;
  }

  void write(const JournalWriter::Work& work) {
    if (!writer_) {
      throw JournalError(
          fmt::format("the journal {} was opened for reading only; this is a defect of gpuplan: please report it",
                      reading_->name()));
    }
    writer_->write(work);
  }

  const UndoFiles undo_files_;
  std::mutex secret_mutex_;
  std::set<std::pair<std::int64_t, std::size_t>> secret_;  // run and change: those with sensitive attributes
  std::mutex read_mutex_;
  std::unique_ptr<FaultyDisk> disk_;  // outlives the connections
  // The last connection to be closed: only one that may write moves the write-ahead log into the database, which is
  // checked against damage, and takes the log away.
  std::unique_ptr<Database> writing_;  // used by whichever caller leads, see JournalWriter
  std::unique_ptr<Database> reading_;
  std::unique_ptr<JournalWriter> writer_;
  Losses* const losses_;
};

bool has_write_ahead_log(const std::string& path) {
  struct stat status {};
  return stat((path + "-wal").c_str(), &status) == 0 && status.st_size > 0;
}

// A journal gets its name when it is whole: an empty one is damaged, and nothing that a run which was cut short leaves.
void make_journal(const std::string& path, const std::string& name, const std::string& cluster, const char* layer) {
  const std::string unnamed = path + ".new";
  make_journal_file(unnamed);
  {
    Database database(unnamed, name, DatabaseMode::write, layer);
    database.execute("PRAGMA synchronous = FULL");
    lay_out(database, cluster);
  }
  name_journal_file(unnamed, path);
}

// Damage that SQLite takes for something else: a file too short for its header for an empty database, and records behind a
// damaged one for none.
void require_whole_files(const std::string& path, const std::string& name) {
  constexpr off_t smallest_page = 512;
  const auto fail = [&](const std::string& how) {
    throw JournalError(fmt::format("the journal {} is damaged ({}); {}", name, how, damage_remedy()), true);
  };
  struct stat status {};
  const bool is_cut = stat(path.c_str(), &status) == 0 && status.st_size < smallest_page;
  if (is_cut) fail(fmt::format("cut to {} bytes", status.st_size));
  if (is_log_damaged(path + "-wal")) fail("its write-ahead log is not as it was written");
}

// Reading a write-ahead log needs a shared-memory file beside it. Where that cannot be made and
// there is no log, the database file alone is the whole truth.
std::unique_ptr<Database> open_for_reading(const std::string& path, const std::string& name) {
  try {
    auto database = std::make_unique<Database>(path, name, DatabaseMode::read);
    database->integer("SELECT count(*) FROM sqlite_master");
    return database;
  } catch (const DatabaseError& error) {
    const int code = error.code() & 0xFF;
    if ((code != SQLITE_CANTOPEN && code != SQLITE_READONLY) || has_write_ahead_log(path)) throw;
  }
  return std::make_unique<Database>(path, name, DatabaseMode::read_immutable);
}

// Without a log, nothing is made beside it: that would have the mode of a journal that others can write, and be refused
// when the journal no longer is.
std::unique_ptr<Database> open_what_is_left(const std::string& path, const std::string& name) {
  const DatabaseMode mode = has_write_ahead_log(path) ? DatabaseMode::read : DatabaseMode::read_immutable;
  auto database = std::make_unique<Database>(path, name, mode);
  database->tolerate_lost_pages();
  return database;
}

}  // namespace

std::unique_ptr<Journal> Journal::open(const std::string& path, const std::string& cluster, WriteHook hook,
                                       DiskHook disk_hook) {
  const std::string real_path = resolved_journal_path(path);
  auto disk = disk_hook ? std::make_unique<FaultyDisk>(std::move(disk_hook)) : nullptr;
  const char* const layer = disk ? disk->name() : nullptr;
  if (!journal_file_is_trusted(real_path)) make_journal(real_path, path, cluster, layer);
  require_whole_files(real_path, path);
  chmod(real_path.c_str(), 0600);  // undo data is nobody else's business; its companions inherit this
  auto writing = std::make_unique<Database>(real_path, path, DatabaseMode::write, layer);
  require_sound(*writing, cluster);  // before anything is written into it
  make_durable(*writing);
  auto reading = std::make_unique<Database>(real_path, path, DatabaseMode::read, layer);
  return std::make_unique<SqliteJournal>(real_path, std::move(reading), std::move(writing), std::move(hook), nullptr,
                                         std::move(disk));
}

std::unique_ptr<Journal> Journal::open_read_only(const std::string& path, const std::string& cluster) {
  const std::string real_path = resolved_journal_path(path);
  if (!journal_file_is_trusted(real_path)) return nullptr;
  require_whole_files(real_path, path);
  auto reading = open_for_reading(real_path, path);
  require_sound(*reading, cluster);
  return std::make_unique<SqliteJournal>(real_path, std::move(reading), nullptr, WriteHook{});
}

std::unique_ptr<Journal> Journal::open_refused(const std::string& path, std::vector<std::string>& losses) {
  const std::string real_path = resolved_journal_path(path);
  require_regular_journal_file(real_path);
  return std::make_unique<SqliteJournal>(real_path, open_what_is_left(real_path, path), nullptr, WriteHook{}, &losses);
}

}  // namespace gpuplan
