// Which files are journals, which are not, and what is said of those.
#include <fcntl.h>
#include <sys/wait.h>

#include <fstream>

#include "apply/journal_schema.h"
#include "journal_fixture.h"
#include "support/catch.h"

using namespace journal_fixture;

namespace {

void make_journal(const std::string& path, const std::string& cluster = "gpu") {
  Journal::open(path, cluster)->begin_run(sample_run(), sample_plan());
}

void execute(const std::string& path, const char* sql) { Database(path, path, DatabaseMode::write).execute(sql); }

}  // namespace

TEST_CASE("journal file: made with mode 0600, whatever the umask, and its companions too") {
  const TempDirectory directory;
  const std::string path = directory.file("gpu.db");
  const mode_t umask_before = umask(0);
  const auto journal = Journal::open(path, "gpu");
  journal->begin_run(sample_run(), sample_plan());
  umask(umask_before);
  CHECK(mode_of(path) == 0600);
  CHECK(mode_of(path + "-wal") == 0600);
  CHECK(mode_of(path + "-shm") == 0600);
}

TEST_CASE("journal file: the connection that writes is as durable as SQLite can be") {
  const TempDirectory directory;
  const std::string path = directory.file("gpu.db");
  make_journal(path);
  Database database(path, path, DatabaseMode::write);
  make_durable(database);
  CHECK(database.text("PRAGMA journal_mode") == "wal");
  CHECK(database.integer("PRAGMA synchronous") == 2);
  CHECK(database.integer("PRAGMA application_id") == journal_application_id);
  CHECK(database.integer("PRAGMA user_version") == journal_format_version);
}

TEST_CASE("journal file: a directory that is not there") {
  const TempDirectory directory;
  const std::string path = directory.file("nowhere/gpu.db");
  CHECK(error_of([&] { Journal::open(path, "gpu"); }) ==
        "cannot find the directory of the journal " + path +
            ": no such file or directory; make it or use another --state-dir");
}

TEST_CASE("journal file: symlinks, directories and foreign writers are refused") {
  const TempDirectory directory;
  const std::string path = directory.file("gpu.db");
  SECTION("a symlink") {
    make_journal(directory.file("real.db"));
    std::filesystem::create_symlink(directory.file("real.db"), path);
    const std::string expected =
        "the journal " + path +
        " is a symbolic link, which gpuplan does not follow; use --state-dir to name its real directory";
    CHECK(error_of([&] { Journal::open(path, "gpu"); }) == expected);
    CHECK(error_of([&] { Journal::open_read_only(path, "gpu"); }) == expected);
  }
  SECTION("a symlink in place of its write-ahead log") {
    make_journal(path);
    std::filesystem::create_symlink("/etc/passwd", path + "-wal");
    CHECK_THAT(error_of([&] { Journal::open(path, "gpu"); }), contains(path + "-wal is a symbolic link"));
  }
  SECTION("a directory") {
    std::filesystem::create_directory(path);
    CHECK(error_of([&] { Journal::open(path, "gpu"); }) ==
          "the journal " + path + " is not a regular file; move it away or use another --state-dir");
  }
  SECTION("writable by others") {
    make_journal(path);
    chmod(path.c_str(), 0622);
    CHECK(error_of([&] { Journal::open(path, "gpu"); }) ==
          "the journal " + path +
              " can be written by other users (mode 0622), so it cannot be trusted; check who changed it, then run "
              "`chmod 0600 " +
              path + "`");
  }
  SECTION("of another user") {
    if (geteuid() != 0) return;
    make_journal(path);
    REQUIRE(chown(path.c_str(), 65534, 65534) == 0);
    CHECK(
        error_of([&] { Journal::open(path, "gpu"); }) ==
        "the journal " + path +
            " belongs to user id 65534, not to user id 0 that runs gpuplan; run gpuplan as that user, or use another "
            "--state-dir");
  }
}

TEST_CASE("journal file: a symlink among its directories is followed") {
  const TempDirectory directory;
  std::filesystem::create_directory(directory.file("real"));
  std::filesystem::create_directory_symlink(directory.file("real"), directory.file("link"));
  make_journal(directory.file("link/gpu.db"));
  CHECK(std::filesystem::exists(directory.file("real/gpu.db")));
}

TEST_CASE("journal file: another format, another cluster, another program") {
  const TempDirectory directory;
  const std::string path = directory.file("gpu.db");
  SECTION("a newer version") {
    make_journal(path);
    execute(path, "PRAGMA user_version = 3");
    CHECK(error_of([&] { Journal::open(path, "gpu"); }) ==
          "the journal " + path +
              " has format 3, and this gpuplan knows format 2 only; use the gpuplan version that wrote it");
  }
  SECTION("another cluster's") {
    make_journal(path, "blue");
    const std::string expected =
        "the journal " + path + " belongs to cluster blue, not to gpu: its directory was renamed or copied; call the directory blue again";
    CHECK(error_of([&] { Journal::open(path, "gpu"); }) == expected);
    CHECK(error_of([&] { Journal::open_read_only(path, "gpu"); }) == expected);
  }
  SECTION("a database of another program stays as it is") {
    std::ofstream(path).close();
    chmod(path.c_str(), 0600);
    execute(path, "CREATE TABLE bookmarks (url TEXT)");
    CHECK(error_of([&] { Journal::open(path, "gpu"); }) ==
          "the file " + path +
              " is not a journal of gpuplan but a database of another program; move it away or use another "
              "--state-dir");
    CHECK(Database(path, path, DatabaseMode::read).text("PRAGMA journal_mode") == "delete");
  }
  SECTION("no database at all") {
    std::ofstream(path) << std::string(8192, 'x');
    chmod(path.c_str(), 0600);
    CHECK(error_of([&] { Journal::open(path, "gpu"); }) ==
          "cannot write the journal " + path +
              ": it is not a journal of gpuplan (SQLite: file is not a database); move the file away or use another "
              "--state-dir");
  }
}

TEST_CASE("journal file: damage is found when it is opened") {
  const TempDirectory directory;
  const std::string path = directory.file("gpu.db");
  make_journal(path);
  const auto size = std::filesystem::file_size(path);
  REQUIRE(size > 8192);
  {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(4096);
    file << std::string(static_cast<std::size_t>(size) - 4096, '\x55');
  }
  const std::string text = error_of([&] { Journal::open(path, "gpu"); });
  CHECK_THAT(text, contains("the journal " + path));
  CHECK_THAT(text, contains("damaged"));
  CHECK_THAT(text, contains("; `gpuplan show RUN --json` prints what can still be read; restore it from a backup, or move it away with its -wal and -shm files"));
}

TEST_CASE("journal file: a record that is not ours is damage, with its place") {
  const TempDirectory directory;
  const std::string path = directory.file("gpu.db");
  make_journal(path);
  execute(path, "UPDATE changes SET change = '{}' WHERE position = 1; UPDATE runs SET status = 'sunk'");
  auto journal = Journal::open(path, "gpu");
  CHECK_THAT(error_of([&] { journal->changes(1); }),
             contains("is damaged: change 1 of run 1 cannot be read (a stored change has no member `address`)"));
  CHECK_THAT(error_of([&] { journal->runs(); }), contains("run 1 cannot be read (unknown word 'sunk')"));
}

TEST_CASE("journal file: what a making that was cut short has left gives way to a whole one") {
  const TempDirectory directory;
  const std::string path = directory.file("gpu.db"), unnamed = path + ".new", other = directory.file("other");
  std::ofstream(other) << "not ours";
  SECTION("an empty file") { std::ofstream(unnamed).close(); }
  SECTION("a part of a database, and what would take that back") {
    std::ofstream(unnamed) << std::string(4096, 'x');
    std::ofstream(unnamed + "-journal") << std::string(512, 'x');
  }
  SECTION("a symlink, which is not followed") { std::filesystem::create_symlink(other, unnamed); }
  CHECK_FALSE(Journal::open_read_only(path, "gpu"));
  CHECK(Journal::open(path, "gpu")->begin_run(sample_run(), sample_plan()) == 1);
  CHECK_FALSE(std::filesystem::exists(std::filesystem::symlink_status(unnamed)));
  CHECK_FALSE(std::filesystem::exists(unnamed + "-journal"));
  CHECK(std::filesystem::file_size(other) == 8);
}

TEST_CASE("journal file: an empty one is damaged, for nothing leaves one behind") {
  const TempDirectory directory;
  const std::string path = directory.file("gpu.db");
  std::ofstream(path).close();
  chmod(path.c_str(), 0600);
  const std::string expected = "the journal " + path + " is damaged (cut to 0 bytes); `gpuplan show RUN --json` prints";
  CHECK_THAT(error_of([&] { Journal::open(path, "gpu"); }), contains(expected));
  CHECK_THAT(error_of([&] { Journal::open_read_only(path, "gpu"); }), contains(expected));
  CHECK(std::filesystem::file_size(path) == 0);
}

TEST_CASE("journal read-only: nothing where there is none, and nothing is made") {
  const TempDirectory directory;
  CHECK_FALSE(Journal::open_read_only(directory.file("gpu.db"), "gpu"));
  CHECK_FALSE(std::filesystem::exists(directory.file("gpu.db")));
}

TEST_CASE("journal read-only: sees what a writer wrote while that is still at it") {
  const TempDirectory directory;
  const std::string path = directory.file("gpu.db");
  const auto writer = Journal::open(path, "gpu");
  writer->begin_run(sample_run(), sample_plan());
  const auto reader = Journal::open_read_only(path, "gpu");
  REQUIRE(reader);
  CHECK(reader->runs().size() == 1);
  writer->begin_run(sample_run(), sample_plan());
  CHECK(reader->runs().size() == 2);
  // Also while a transaction is open.
  Database other(path, path, DatabaseMode::write);
  other.execute("BEGIN IMMEDIATE; DELETE FROM owned");
  CHECK(reader->runs().size() == 2);
  CHECK(Journal::open_read_only(path, "gpu")->runs().size() == 2);
  other.execute("ROLLBACK");
  CHECK(error_of([&] { reader->stage_begins(1, 0); }) ==
        "the journal " + path + " was opened for reading only; this is a defect of gpuplan: please report it");
}

TEST_CASE("journal read-only: works for a user who cannot write its directory") {
  if (geteuid() != 0) return;  // only root can become somebody else
  const TempDirectory directory;
  const std::string path = directory.file("gpu.db");
  auto writer = Journal::open(path, "gpu");
  writer->begin_run(sample_run(), sample_plan());
  writer.reset();
  chmod(directory.path().c_str(), 0755);
  chmod(path.c_str(), 0644);
  REQUIRE_FALSE(std::filesystem::exists(path + "-wal"));
  const pid_t child = fork();
  if (child == 0) {
    if (setgid(65534) != 0 || setuid(65534) != 0) _exit(9);
    try {
      const auto reader = Journal::open_read_only(path, "gpu");
      _exit(reader && reader->runs().size() == 1 ? 0 : 1);
    } catch (const JournalError&) {
      _exit(2);
    }
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
}
