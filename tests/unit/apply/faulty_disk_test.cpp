// The journal on a disk that loses power, is full, fails or has become read-only, at every single write.
#include <sys/mman.h>

#include <csignal>

#include "apply/faulty_disk.h"
#include "apply/journal_schema.h"
#include "journal_fixture.h"
#include "support/catch.h"

using namespace journal_fixture;

namespace {

// A number that a killed child leaves behind.
class SharedNumber {
 public:
  SharedNumber() : place_(mmap(nullptr, sizeof(int), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0)) {
    if (place_ == MAP_FAILED) throw std::runtime_error("mmap failed");
  }
  ~SharedNumber() { munmap(place_, sizeof(int)); }
  SharedNumber(const SharedNumber&) = delete;
  SharedNumber& operator=(const SharedNumber&) = delete;
  volatile int& value() { return *static_cast<volatile int*>(place_); }

 private:
  void* place_;
};

// As many runs as a journal takes; `recorded` counts those whose record has returned.
constexpr int runs_to_record = 3;

void record_runs(const std::string& path, DiskHook hook, volatile int& recorded) {
  const auto journal = Journal::open(path, "gpu", {}, std::move(hook));
  for (int i = 0; i < runs_to_record; ++i) {
    journal->begin_run(sample_run(), sample_plan());
    recorded = recorded + 1;
  }
}

}  // namespace

TEST_CASE("faulty disk: a power cut at any write leaves every record that had returned, and no other") {
  int cut = 1;
  for (bool struck = true; struck; ++cut) {
    const TempDirectory directory;
    const std::string path = directory.file("gpu.db");
    SharedNumber recorded;
    struck = is_killed([&] {
      DiskFaults disk({parse_fault("disk:" + std::to_string(cut) + ":power-cut").value()});
      record_runs(path, [&] { return disk.before_write(); }, recorded.value());
    });
    INFO("at write " << cut);
    const auto journal = Journal::open(path, "gpu");
    CHECK(static_cast<int>(journal->runs().size()) == recorded.value());
    for (const RunRecord& run : journal->runs()) CHECK(journal->changes(run.id).size() == 2);
    if (!struck) CHECK(recorded.value() == runs_to_record);
  }
  CHECK(cut > 30);
}

TEST_CASE("faulty disk: what was not synced is lost with the process, and kept if it ends by itself") {
  for (const bool cut : {true, false}) {
    const TempDirectory directory;
    const std::string path = directory.file("gpu.db");
    Journal::open(path, "gpu").reset();
    const bool killed = is_killed([&] {
      FaultyDisk disk([] { return DiskAnswer::done; });
      Database careless(path, path, DatabaseMode::write, disk.name());
      careless.execute("PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF; INSERT INTO meta VALUES ('unsynced', 'yes')");
      // Another connection of the process sees it all the same, as it would in the page cache.
      Database beside(path, path, DatabaseMode::read, disk.name());
      if (beside.integer("SELECT count(*) FROM meta WHERE key = 'unsynced'") != 1) _exit(1);
      if (cut) raise(SIGKILL);
    });
    CHECK(killed == cut);
    Database after(path, path, DatabaseMode::write);
    CHECK(after.integer("SELECT count(*) FROM meta WHERE key = 'unsynced'") == (cut ? 0 : 1));
  }
}

TEST_CASE("faulty disk: a disk that fails at any write is named, with what to do, and what was recorded stays") {
  struct Expected {
    std::string effect, reason, next;
  };
  for (const Expected& expected :
       {Expected{"full", ": the disk is full (SQLite: ", "; free space on its file system, then run gpuplan again"},
        Expected{"io-error", ": the disk reported an input/output error (SQLite: ", "; check the disk (`dmesg`), then run gpuplan again"},
        Expected{"read-only", ": it is read-only (SQLite: ", "; check the permissions and the mount of its directory"}}) {
    int failed = 0;
    for (int at = 1;; ++at) {
      const TempDirectory directory;
      const std::string path = directory.file("gpu.db");
      int recorded = 0;
      DiskFaults disk({parse_fault("disk:" + std::to_string(at) + ":" + expected.effect).value()});
      INFO(expected.effect << " at write " << at);
      const std::string error = error_of([&] { record_runs(path, [&] { return disk.before_write(); }, recorded); });
      if (error != "nothing was thrown") {
        ++failed;
        CHECK_THAT(error, contains("cannot write the journal " + path + expected.reason));
        CHECK_THAT(error, contains(expected.next));
      }
      // A sync that fails leaves it open whether its record is there: it may be, although its writer was told otherwise.
      const int found = static_cast<int>(Journal::open(path, "gpu")->runs().size());
      CHECK((found == recorded || (found == recorded + 1 && error != "nothing was thrown")));
      if (at > disk.writes()) break;
    }
    CHECK(failed > 20);
  }
}
