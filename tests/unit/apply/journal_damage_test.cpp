// Bytes of a journal that changed on the disk: they are seen, whatever they are, and the rest can still be read.
#include <fmt/format.h>

#include <fstream>
#include <iterator>

#include "apply/journal_database.h"
#include "digest/digest.h"
#include "journal_fixture.h"
#include "plugin/change_json.h"
#include "support/catch.h"

using namespace journal_fixture;

namespace {

std::string bytes_of(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

void put_bytes(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
  chmod(path.c_str(), 0600);
}

// A journal with a run in the middle of its work, without a write-ahead log beside it.
std::string make_sample_journal(const std::string& path) {
  {
    const auto journal = Journal::open(path, "gpu");
    journal->begin_run(sample_run(), sample_plan());
    journal->change_begins(1, 0, Json{{"driver", "nvidia"}}, 0, false);
    journal->change_done(1, 0, ResourceState::created, 0);
  }
  return bytes_of(path);
}

void execute_sql(const std::string& path, const char* sql) { Database(path, path, DatabaseMode::write).execute(sql); }

// Everything that a journal says.
std::string told_by(Journal& journal) {
  std::string out;
  for (const RunRecord& run : journal.runs()) {
    out += fmt::format("{} {} {} {} {} {} {} {} {} {} {} {} {}\n", run.id, run.command, run.argv, run.spec_name,
                       run.spec_sha256, run.spec_text, run.host_identity, run.host_description, run.pid, run.started,
                       run.finished, to_string(run.status), run.commit_begun);
    for (const ChangeRecord& record : journal.changes(run.id)) {
      out += fmt::format("{} {} {} {} {}\n", record.index, to_json(record.change).dump(), to_string(record.state),
                         record.error, record.captured.dump());
    }
    for (const StageRecord& stage : journal.stages(run.id)) {
      out += fmt::format("{} {} {} {} {} {} {} {}\n", stage.index, stage.stage.change, to_string(stage.stage.stage),
                         stage.stage.commit_phase, Json(stage.stage.after).dump(), to_string(stage.status), stage.begun,
                         stage.ended);
    }
  }
  for (const OwnedResource& owned : journal.owned()) {
    out += fmt::format("{} {} {} {}\n", to_json(owned.resource).dump(), owned.origin.dump(), owned.first_run, owned.complete);
  }
  return out;
}


}  // namespace

TEST_CASE("journal damage: a bit that flips is seen, or is one that nobody reads") {
  const TempDirectory directory;
  const std::string path = directory.file("gpu.db");
  const std::string whole = make_sample_journal(path);
  const std::string told = told_by(*Journal::open_read_only(path, "gpu"));
  std::size_t seen = 0, unread = 0;
  constexpr std::size_t stride = 37;  // with it, over eight bits in turn, every region of every page
  for (std::size_t at = 0, turn = 0; at < whole.size(); at += stride, ++turn) {
    std::string flipped = whole;
    flipped[at] = static_cast<char>(flipped[at] ^ (1 << (turn % 8)));
    put_bytes(path, flipped);
    INFO("byte " << at << ", bit " << turn % 8);
    try {
      const auto journal = Journal::open_read_only(path, "gpu");
      REQUIRE(journal);
      REQUIRE(told_by(*journal) == told);
      ++unread;
    } catch (const JournalError& error) {
      REQUIRE_THAT(error.what(), contains(path) && (contains("; ") || contains("to gpu")));
      ++seen;
    }
    std::filesystem::remove(path + "-wal");
    std::filesystem::remove(path + "-shm");
  }
  CHECK(seen > 100);
  CAPTURE(seen, unread);
  CHECK(seen + unread == (whole.size() + stride - 1) / stride);
}

TEST_CASE("journal damage: a seal is what the SHA-256 of a row's types, lengths and values begins with") {
  const TempDirectory directory;
  const std::string path = directory.file("gpu.db");
  make_sample_journal(path);
  Database database(path, path, DatabaseMode::read);
  CHECK(database.text("SELECT seal FROM meta WHERE key = 'cluster'") == sha256_hex("t7:clustert3:gpu").substr(0, 16));
  CHECK(database.text("SELECT seal FROM stages WHERE position = 1") ==
        sha256_hex("i1:1i1:1i1:1t6:commiti1:1t3:[0]t7:plannedi1:0i1:0").substr(0, 16));
  CHECK(database.text("SELECT row_seal(NULL, -12, '', 1.5)") == sha256_hex("-;i3:-12t0:t3:1.5").substr(0, 16));
}

TEST_CASE("journal damage: a journal cut anywhere is refused, and what stands in the pages that are left is read") {
  const TempDirectory directory;
  const std::string path = directory.file("gpu.db");
  const std::string whole = make_sample_journal(path);
  const auto put = [&](std::size_t size) {
    std::filesystem::remove(path + "-wal");
    std::filesystem::remove(path + "-shm");
    put_bytes(path, whole.substr(0, size));
  };
  // Each table of so small a journal is one page.
  struct Table {
    const char* name;
    std::size_t rows;
    std::function<std::size_t(Journal&)> count;
    std::size_t end = 0;
  };
  std::vector<Table> tables = {{"runs", 1, [](Journal& journal) { return journal.runs().size(); }},
                               {"changes", 2, [](Journal& journal) { return journal.changes(1).size(); }},
                               {"stages", 2, [](Journal& journal) { return journal.stages(1).size(); }},
                               {"owned", 1, [](Journal& journal) { return journal.owned().size(); }}};
  for (Table& table : tables) {
    Database database(path, path, DatabaseMode::read);
    const std::string root = fmt::format("SELECT rootpage FROM sqlite_master WHERE name = '{}'", table.name);
    table.end = static_cast<std::size_t>(database.integer(root) * database.integer("PRAGMA page_size"));
    REQUIRE(table.end < whole.size());
  }
  for (std::size_t size = 0; size < whole.size(); size += 509) {
    put(size);
    INFO("cut to " << size << " bytes");
    CHECK_THAT(error_of([&] { Journal::open(path, "gpu"); }), contains(path));
    for (const Table& table : tables) {
      INFO(table.name);
      std::vector<std::string> losses;
      const std::size_t found = table.count(*Journal::open_refused(path, losses));
      if (size < table.end) continue;
      CHECK(found == table.rows);
      CHECK(losses.empty());
    }
  }
}

TEST_CASE("journal damage: what can still be read is, and the rest is named") {
  const TempDirectory directory;
  const std::string path = directory.file("gpu.db");
  std::string bytes = make_sample_journal(path);
  SECTION("a letter of the undo data") {
    const std::size_t at = bytes.find("{\"driver\":\"nvidia\"}");
    REQUIRE(at != std::string::npos);
    bytes[at + 11] = 'N';
    put_bytes(path, bytes);
    CHECK_THAT(error_of([&] { Journal::open(path, "gpu"); }), contains(" is not as it was written); `gpuplan show RUN --json`"));
  }
  SECTION("a change that is none") { execute_sql(path, "UPDATE changes SET change = '[]' WHERE position = 0"); }
  std::vector<std::string> losses;
  const auto journal = Journal::open_refused(path, losses);
  REQUIRE(journal->runs().size() == 1);
  CHECK(journal->runs().front().argv == "gpuplan apply h100.yaml");
  CHECK(journal->stages(1).size() == 2);
  const auto changes = journal->changes(1);
  REQUIRE_FALSE(changes.empty());
  CHECK(changes.back().change.address.to_string() == "vm-define/gpu-worker-2");
  CHECK(changes.size() + losses.size() == 2);
  CHECK_THAT(error_of([&] { journal->run_ends(1, RunStatus::failed); }), contains("for reading only"));
}

TEST_CASE("journal damage: rows that refer to nothing are damage") {
  const TempDirectory directory;
  const std::string path = directory.file("gpu.db");
  make_sample_journal(path);
  std::string expected;
  SECTION("a stage of a change that is not there") {
    execute_sql(path, "UPDATE stages SET change = 7 WHERE position = 0");
    expected = "stage 0 of run 1 cannot be read (its change is missing)";
  }
  SECTION("a stage that waits for a later one") {
    execute_sql(path, "UPDATE stages SET after = '[1]' WHERE position = 0");
    expected = "stage 0 of run 1 cannot be read (it waits for a later stage)";
  }
  SECTION("a stage is gone") {
    execute_sql(path, "DELETE FROM stages WHERE position = 0");
    expected = "stage 1 of run 1 cannot be read (number 0 is missing)";
  }
  CHECK_THAT(error_of([&] { Journal::open(path, "gpu")->stages(1); }), contains(expected));
}

// After a kill the records are in the write-ahead log.
TEST_CASE("journal damage: a bit that flips in the log of a killed run is seen, or costs the last record alone") {
  const TempDirectory directory;
  const std::string live = directory.file("live.db"), path = directory.file("gpu.db");
  const auto journal = Journal::open(live, "gpu");
  journal->begin_run(sample_run(), sample_plan());
  journal->change_begins(1, 0, Json{{"driver", "nvidia"}}, 0, false);
  journal->change_done(1, 0, ResourceState::created, 0);
  const std::string told_before = told_by(*journal);
  journal->change_begins(1, 1, Json{{"driver", "nvidia"}}, 1, true);
  const std::string told = told_by(*journal);
  REQUIRE(told != told_before);
  const std::string database = bytes_of(live), log = bytes_of(live + "-wal");
  REQUIRE(log.size() > 16 * 4096);
  std::size_t seen = 0, unread = 0, last_lost = 0;
  const auto look = [&](const std::string& changed) {
    put_bytes(path, database);
    put_bytes(path + "-wal", changed);
    try {
      const auto copy = Journal::open_read_only(path, "gpu");
      REQUIRE(copy);
      const std::string now = told_by(*copy);
      REQUIRE((now == told || now == told_before));
      ++(now == told ? unread : last_lost);
    } catch (const JournalError& error) {
      REQUIRE_THAT(error.what(), contains(path) && contains("; "));
      ++seen;
    }
    std::filesystem::remove(path + "-shm");
  };
  look(log);
  REQUIRE(unread == 1);
  for (std::size_t at = 0, turn = 0; at < log.size(); at += 509, ++turn) {
    std::string flipped = log;
    flipped[at] = static_cast<char>(flipped[at] ^ (1 << (turn % 8)));
    INFO("byte " << at << ", bit " << turn % 8);
    look(flipped);
  }
  CAPTURE(seen, unread, last_lost);
  CHECK(seen > 100);
  CHECK(last_lost > 0);
}

TEST_CASE("journal damage: a last record that was cut short by a power cut is no damage") {
  const TempDirectory directory;
  const std::string live = directory.file("live.db"), path = directory.file("gpu.db");
  const auto journal = Journal::open(live, "gpu");
  journal->begin_run(sample_run(), sample_plan());
  const std::string told = told_by(*journal);
  const std::size_t whole = bytes_of(live + "-wal").size();
  journal->change_begins(1, 0, Json{{"driver", "nvidia"}}, 0, false);
  const std::string log = bytes_of(live + "-wal");
  REQUIRE(log.size() > whole);
  put_bytes(path, bytes_of(live));
  put_bytes(path + "-wal", log.substr(0, log.size() - 100));
  CHECK(told_by(*Journal::open_read_only(path, "gpu")) == told);
}
