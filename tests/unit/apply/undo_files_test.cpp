// Undo data with secrets: in files of their own, never in the journal, and gone when nothing needs them.
#include "apply/undo_files.h"

#include <filesystem>
#include <fstream>
#include <iterator>

#include "journal_fixture.h"
#include "support/catch.h"

using namespace journal_fixture;

namespace {

constexpr const char* secret = "correct-horse-battery";

Plan secret_plan(Action action = Action::create) {
  Plan plan = sample_plan(action);
  plan.changes[0].sensitive = {"password"};
  return plan;
}

std::string content(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// The regular files directly in `directory` that hold the secret.
std::vector<std::string> files_with_secret(const std::string& directory) {
  std::vector<std::string> out;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    if (entry.is_regular_file() && content(entry.path()).find(secret) != std::string::npos)
      out.push_back(entry.path().filename());
  }
  return out;
}

struct SecretJournal {
  TempDirectory directory;
  std::string path = directory.file("gpu.db");
  std::string undo_directory = path + "-undo";
  std::unique_ptr<Journal> journal = Journal::open(path, "gpu");

  std::int64_t begin(Action action = Action::create) {
    const auto run = journal->begin_run(sample_run(), secret_plan(action));
    journal->change_begins(run, 0, {{"password", secret}}, 0, false);
    return run;
  }
  std::size_t kept() const {
    std::error_code absent;
    const std::filesystem::directory_iterator entries(undo_directory, absent);
    return static_cast<std::size_t>(std::distance(begin_of(entries), std::filesystem::directory_iterator()));
  }
  static std::filesystem::directory_iterator begin_of(std::filesystem::directory_iterator entries) { return entries; }
};

}  // namespace

TEST_CASE("undo files: secrets are in a private file that the journal names") {
  SecretJournal it;
  const auto run = it.begin();
  const std::string file = it.undo_directory + "/run-1-change-0.json";
  CHECK(mode_of(file) == 0600);
  CHECK(mode_of(it.undo_directory) == 0700);
  CHECK(content(file).find(secret) != std::string::npos);
  CHECK(files_with_secret(it.directory.path()).empty());
  CHECK(it.journal->changes(run)[0].captured == Json{{"password", secret}});
  CHECK(it.journal->owned()[0].origin == Json{{"password", secret}});
  it.journal->captured(run, 1, "nothing secret");
  CHECK(it.kept() == 1);
}

TEST_CASE("undo files: they go when the run that made them is rolled back") {
  SecretJournal it;
  const auto first = it.begin();
  SECTION("rolled back") {
    it.journal->run_ends(first, RunStatus::failed);
    CHECK(it.kept() == 1);
    it.journal->change_undone(first, 0);
    it.journal->run_rolled_back(first);
    CHECK(it.kept() == 0);
    CHECK(it.journal->changes(first)[0].captured.is_null());
  }
  SECTION("a run that stands keeps its own, also when the resource is gone") {
    it.journal->change_ends(first, 0, ResourceState::created, "");
    it.journal->run_ends(first, RunStatus::succeeded);
    const auto update = it.begin(Action::update);
    it.journal->change_ends(update, 0, ResourceState::updated, "");
    it.journal->run_ends(update, RunStatus::succeeded);
    CHECK(it.kept() == 2);
    const auto removal = it.begin(Action::remove);
    it.journal->change_ends(removal, 0, ResourceState::removed, "");
    it.journal->run_ends(removal, RunStatus::succeeded);
    CHECK(it.kept() == 3);  // each of these runs can still be taken back, newest first
    it.journal->change_undone(removal, 0);
    it.journal->run_rolled_back(removal);
    CHECK(it.kept() == 2);
    CHECK(it.journal->changes(removal)[0].captured.is_null());
    CHECK(it.journal->changes(update)[0].captured == Json{{"password", secret}});
    CHECK(it.journal->owned()[0].origin == Json{{"password", secret}});
  }
}

TEST_CASE("undo files: one that is not what was written is refused by name") {
  SecretJournal it;
  const auto run = it.begin();
  const std::string file = it.undo_directory + "/run-1-change-0.json";
  const auto reading = [&] { it.journal->changes(run); };
  SECTION("changed") {
    std::ofstream(file) << "{}";
    CHECK(error_of(reading) == "the undo data " + file + " is not what gpuplan wrote; restore it from a backup of the state directory");
  }
  SECTION("missing") {
    std::filesystem::remove(file);
    CHECK(error_of(reading).find(file + " cannot be read: ") != std::string::npos);
  }
  SECTION("a symbolic link") {
    std::filesystem::rename(file, file + ".real");
    std::filesystem::create_symlink(file + ".real", file);
    CHECK(error_of(reading).find(file + " is a symbolic link") != std::string::npos);
  }
  SECTION("writable by all") {
    std::filesystem::permissions(file, std::filesystem::perms::others_write, std::filesystem::perm_options::add);
    CHECK(error_of(reading).find(file + " can be changed by other users") != std::string::npos);
  }
  // The rest can be looked at.
  std::vector<std::string> losses;
  const auto changes = Journal::open_refused(it.path, losses)->changes(run);
  REQUIRE(changes.size() == 2);
  CHECK(changes[0].captured.is_null());
  REQUIRE(losses.size() == 1);
  CHECK_THAT(losses[0], contains(file));
}

TEST_CASE("undo files: where they cannot be written the change is not begun") {
  SecretJournal it;
  std::ofstream(it.undo_directory) << "not a directory";
  const auto run = it.journal->begin_run(sample_run(), secret_plan());
  CHECK(error_of([&] { it.journal->change_begins(run, 0, secret, 0, false); }).find("without undo data nothing is changed") !=
        std::string::npos);
  CHECK(it.journal->owned().empty());
  CHECK(it.journal->stages(run)[0].status == StageStatus::planned);
}
