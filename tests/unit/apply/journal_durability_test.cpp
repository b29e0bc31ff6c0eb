// A record is on disk before the call that made it returns: against kills, power cuts and crowds.
#include <array>
#include <atomic>
#include <csignal>
#include <thread>

#include "apply/journal_schema.h"
#include "apply/journal_writer.h"
#include "host/host_error.h"
#include "journal_fixture.h"
#include "support/catch.h"
#include "syncing_vfs.h"

using namespace journal_fixture;

namespace {

// What the journal holds once the first `writes` of scenario() are in it.
struct Milestones {
  bool run = false, captured = false, begun = false, done = false, created = false, ended = false;
};

constexpr int scenario_writes = 6;

void scenario(Journal& journal, const std::function<void(int)>& after_write) {
  const auto run = journal.begin_run(sample_run(), sample_plan());
  after_write(1);
  journal.captured(run, 0, "origin");
  after_write(2);
  journal.stage_begins(run, 0);
  after_write(3);
  journal.stage_ends(run, 0, StageStatus::done);
  after_write(4);
  journal.change_ends(run, 0, ResourceState::created, "");
  after_write(5);
  journal.run_ends(run, RunStatus::succeeded);
  after_write(6);
}

Milestones milestones(Journal& journal) {
  Milestones found;
  const auto run = journal.run(1);
  found.run = run && journal.changes(1).size() == 2 && journal.stages(1).size() == 2;
  if (!found.run) return found;
  const auto change = journal.changes(1)[0];
  const auto stage = journal.stages(1)[0];
  found.captured = change.captured == "origin" && journal.owned().size() == 1;
  found.begun = stage.status != StageStatus::planned;
  found.done = stage.status == StageStatus::done;
  found.created = change.state == ResourceState::created && journal.owned()[0].complete;
  found.ended = run->status == RunStatus::succeeded;
  return found;
}

// Exactly the first `writes` writes and nothing of the next.
void require_exactly(Journal& journal, int writes) {
  const Milestones found = milestones(journal);
  INFO("after " << writes << " writes");
  CHECK(found.run == (writes >= 1));
  CHECK(found.captured == (writes >= 2));
  CHECK(found.begun == (writes >= 3));
  CHECK(found.done == (writes >= 4));
  CHECK(found.created == (writes >= 5));
  CHECK(found.ended == (writes >= 6));
}

}  // namespace

TEST_CASE("journal durability: killed at write N, exactly the writes before N are there") {
  for (int kill_at = 1; kill_at <= scenario_writes; ++kill_at) {
    const TempDirectory directory;
    const std::string path = directory.file("gpu.db");
    REQUIRE(is_killed([&] {
      const auto journal = Journal::open(path, "gpu", [&](std::int64_t number) {
        if (number == kill_at) raise(SIGKILL);
      });
      scenario(*journal, [](int) {});
    }));
    require_exactly(*Journal::open_read_only(path, "gpu"), kill_at - 1);
    require_exactly(*Journal::open(path, "gpu"), kill_at - 1);
  }
}

TEST_CASE("journal durability: killed at any write while it is made, before it has its name or after, it is made the next time") {
  int unnamed = 0, named = 0;
  bool struck = true;
  for (int kill_at = 1; struck; ++kill_at) {
    const TempDirectory directory;
    const std::string path = directory.file("gpu.db");
    struck = is_killed([&] {
      int writes = 0;
      Journal::open(path, "gpu", {}, [&] {
        if (++writes == kill_at) raise(SIGKILL);
        return DiskAnswer::done;
      });
    });
    INFO("at write " << kill_at);
    const bool has_name = std::filesystem::exists(path);
    if (struck) ++(has_name ? named : unnamed);
    const auto found = Journal::open_read_only(path, "gpu");
    CHECK(has_name == (found != nullptr));
    if (found) CHECK(found->runs().empty());
    const auto journal = Journal::open(path, "gpu");
    scenario(*journal, [](int) {});
    require_exactly(*journal, scenario_writes);
    CHECK_FALSE(std::filesystem::exists(path + ".new"));
  }
  CHECK(unnamed > 0);
  CHECK(named > 0);
}

TEST_CASE("journal durability: a power cut after a write takes nothing of it") {
  const TempDirectory directory;
  const std::string real = directory.file("real"), survived = directory.file("survived");
  std::filesystem::create_directory(real);
  std::filesystem::create_directory(survived);
  const SyncingVfs vfs(std::filesystem::canonical(real).string(), survived);
  const auto journal = Journal::open(real + "/gpu.db", "gpu");
  scenario(*journal, [&](int writes) {
    const std::string rebooted = directory.file("rebooted" + std::to_string(writes));
    std::filesystem::copy(survived, rebooted);
    for (const auto& entry : std::filesystem::directory_iterator(rebooted)) chmod(entry.path().c_str(), 0600);
    require_exactly(*Journal::open(rebooted + "/gpu.db", "gpu"), writes);
  });
  CHECK(vfs.syncs() >= scenario_writes);
}

TEST_CASE("journal durability: the power cut above would show a write without fsync") {
  const TempDirectory directory;
  const std::string real = directory.file("real"), survived = directory.file("survived");
  std::filesystem::create_directory(real);
  std::filesystem::create_directory(survived);
  const std::string path = real + "/gpu.db";
  const SyncingVfs vfs(std::filesystem::canonical(real).string(), survived);
  const auto journal = Journal::open(path, "gpu");
  journal->begin_run(sample_run(), sample_plan());
  const int syncs = vfs.syncs();
  Database careless(std::filesystem::canonical(path).string(), path, DatabaseMode::write);
  careless.execute("PRAGMA synchronous = OFF; INSERT INTO meta VALUES ('lost', 'yes')");
  CHECK(vfs.syncs() == syncs);
  const std::string copy = directory.file("rebooted");
  std::filesystem::copy(survived, copy);
  Database rebooted(std::filesystem::canonical(copy).string() + "/gpu.db", copy, DatabaseMode::write);
  CHECK(rebooted.integer("SELECT count(*) FROM runs") == 1);
  CHECK(rebooted.integer("SELECT count(*) FROM meta WHERE key = 'lost'") == 0);
}

TEST_CASE("journal durability: many threads, one journal") {
  constexpr std::size_t threads = 12, rounds = 15, writes_per_round = 6;
  const TempDirectory directory;
  const std::string real = std::filesystem::canonical(directory.path()).string();
  const TempDirectory survived;
  const SyncingVfs vfs(real, survived.path());
  std::int64_t last_number = 0;
  std::atomic<bool> in_order{true};
  const auto journal = Journal::open(directory.file("gpu.db"), "gpu", [&](std::int64_t number) {
    if (number != ++last_number) in_order = false;
  });
  std::vector<std::thread> crowd;
  std::atomic<int> wrong{0};
  for (std::size_t t = 0; t < threads; ++t) {
    crowd.emplace_back([&] {
      for (std::size_t round = 0; round < rounds; ++round) {
        const auto run = journal->begin_run(sample_run(), sample_plan());
        journal->captured(run, 1, run);
        journal->stage_begins(run, 1);
        journal->stage_ends(run, 1, StageStatus::done);
        journal->change_ends(run, 1, ResourceState::created, "");
        if (journal->stages(run)[1].status != StageStatus::done) ++wrong;
        if (journal->changes(run)[1].captured != run) ++wrong;
        journal->run_ends(run, RunStatus::succeeded);
      }
    });
  }
  for (std::thread& thread : crowd) thread.join();
  CHECK(wrong == 0);
  CHECK(in_order);
  CHECK(last_number == threads * rounds * writes_per_round);
  CHECK(vfs.syncs() < static_cast<int>(threads * rounds * writes_per_round));  // they shared some
  const auto runs = journal->runs();
  REQUIRE(runs.size() == threads * rounds);
  for (std::size_t i = 0; i < runs.size(); ++i) {
    CHECK(runs[i].id == static_cast<std::int64_t>(i) + 1);
    CHECK(runs[i].status == RunStatus::succeeded);
  }
}

TEST_CASE("journal durability: killed in a crowd, every write that had returned is there") {
  const TempDirectory directory;
  const std::string path = directory.file("gpu.db");
  std::array<int, 2> pipe_ends{};
  REQUIRE(pipe(pipe_ends.data()) == 0);
  REQUIRE(is_killed([&] {
    const auto journal = Journal::open(path, "gpu", [](std::int64_t number) {
      if (number == 60) raise(SIGKILL);
    });
    std::vector<std::thread> crowd;
    for (int t = 0; t < 8; ++t) {
      crowd.emplace_back([&] {
        while (true) {
          const auto run = journal->begin_run(sample_run(), sample_plan());
          if (write(pipe_ends[1], &run, sizeof(run)) != sizeof(run)) _exit(1);
        }
      });
    }
    for (std::thread& thread : crowd) thread.join();
  }));
  close(pipe_ends[1]);
  const auto journal = Journal::open(path, "gpu");
  std::int64_t returned = 0, reported = 0;
  while (read(pipe_ends[0], &reported, sizeof(reported)) == sizeof(reported)) {
    ++returned;
    CHECK(journal->run(reported));
    CHECK(journal->changes(reported).size() == 2);
  }
  close(pipe_ends[0]);
  CHECK(returned > 0);
  CHECK(static_cast<std::int64_t>(journal->runs().size()) < 60);
}

TEST_CASE("journal writer: an error reaches its caller and nobody else") {
  const TempDirectory directory;
  const std::string path = directory.file("gpu.db");
  Journal::open(path, "gpu").reset();
  Database database(path, path, DatabaseMode::write);
  make_durable(database);
  JournalWriter writer(database, {});
  constexpr int callers = 24;
  std::vector<std::string> errors(callers);
  std::vector<std::thread> crowd;
  for (int i = 0; i < callers; ++i) {
    crowd.emplace_back([&, i] {
      errors[static_cast<std::size_t>(i)] = error_of([&] {
        writer.write([&](Database& db) {
          db.prepare("INSERT INTO meta VALUES (?, ?)").bind(std::to_string(i)).bind("x").run();
          if (i % 3 == 0) throw JournalError("no " + std::to_string(i));
        });
      });
    });
  }
  for (std::thread& thread : crowd) thread.join();
  for (int i = 0; i < callers; ++i) {
    const std::string number = std::to_string(i);
    CHECK(errors[static_cast<std::size_t>(i)] == (i % 3 == 0 ? "no " + number : "nothing was thrown"));
    Statement row = database.prepare("SELECT count(*) FROM meta WHERE key = ?");
    row.bind(number);
    REQUIRE(row.step());
    CHECK(row.integer(0) == (i % 3 == 0 ? 0 : 1));
  }
}

TEST_CASE("journal writer: a full disk is said in words, and the next write works") {
  const TempDirectory directory;
  const std::string path = directory.file("gpu.db");
  Journal::open(path, "gpu").reset();
  Database database(path, path, DatabaseMode::write);
  make_durable(database);
  JournalWriter writer(database, {});
  const auto insert = [&](const std::string& key, std::size_t size) {
    writer.write([&](Database& db) {
      db.prepare("INSERT INTO meta VALUES (?, ?)").bind(key).bind(std::string(size, 'x')).run();
    });
  };
  database.integer("PRAGMA max_page_count = 20");
  CHECK(error_of([&] { insert("large", 1U << 20U); }) ==
        "cannot write the journal " + path +
            ": the disk is full (SQLite: database or disk is full); free space on its file system, then run gpuplan "
            "again");
  insert("small", 10);
  CHECK(database.integer("SELECT count(*) FROM meta WHERE key IN ('large', 'small')") == 1);
}

TEST_CASE("journal writer: what the hook throws stops that write and is worded as the journal's") {
  const TempDirectory directory;
  const std::string path = directory.file("gpu.db");
  const auto journal = Journal::open(path, "gpu", [](std::int64_t number) {
    if (number == 2)
      throw HostError(HostError::Kind::failed, "journal", "injected fault: cannot make journal write 2");
  });
  const auto run = journal->begin_run(sample_run(), sample_plan());
  CHECK(error_of([&] { journal->captured(run, 0, "origin"); }) ==
        "cannot write the journal " + path + ": injected fault: cannot make journal write 2; run gpuplan again");
  CHECK(journal->changes(run)[0].captured.is_null());
  journal->captured(run, 0, "origin");
  CHECK(journal->changes(run)[0].captured == "origin");
}
