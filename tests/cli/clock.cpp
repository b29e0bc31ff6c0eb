// A clock that was set back: what was done then seems to lie in the future.
#include "apply/journal_database.h"
#include "json/json.h"
#include "program.h"
#include "support/catch.h"

namespace {

// A run that failed in the middle, before the clock was set back by ten days.
struct RunInTheFuture {
  RunInTheFuture() {
    REQUIRE(place.run_sim({"apply", cli::h100_spec, "--yes", "--fault", "call:9:fail"}).exit_code == 3);
    gpuplan::Database(place.state_dir() + "/clusters/gpu/journal.db", "the journal", gpuplan::DatabaseMode::write)
        .execute("UPDATE runs SET started = started + 864000, finished = finished + 864000;"
                 "UPDATE stages SET begun = begun + 864000 WHERE begun > 0;"
                 "UPDATE stages SET ended = ended + 864000 WHERE ended > 0");
  }

  // The runs are there in the order in which they were made, the first later by the clock than the second.
  void expect_two_runs() const {
    const cli::Result history = place.run_sim({"history", "--json"});
    CHECK(history.exit_code == 0);
    const gpuplan::Json runs = gpuplan::parse_json(history.out, "history")["runs"];
    REQUIRE(runs.size() == 2);
    CHECK(runs[0]["id"] == 1);
    CHECK(runs[1]["id"] == 2);
    CHECK(runs[0]["started"].get<std::int64_t>() > runs[1]["started"].get<std::int64_t>() + 800'000);
    CHECK(place.run_sim({"history"}).exit_code == 0);
    CHECK_THAT(place.run_sim({"status"}).out, contains("Last run:  2 "));
    CHECK_THAT(place.run_sim({"show"}).out, contains("Run 2 "));
    CHECK(place.run_sim({"show", "1"}).exit_code == 0);
  }

  cli::Place place;
};

}  // namespace

TEST_CASE("a clock that is set back between two runs: apply goes on with the first, and history keeps their order") {
  const RunInTheFuture made;
  CHECK(made.place.run_sim({"apply", cli::h100_spec, "--yes"}).exit_code == 0);
  made.expect_two_runs();
  CHECK(made.place.run_sim({"plan", cli::h100_spec, "--detailed-exitcode"}).exit_code == 0);
}

TEST_CASE("a clock that is set back between two runs: rollback undoes the first") {
  const RunInTheFuture made;
  const cli::Result undone = made.place.run_sim({"rollback", "--yes"});
  INFO(undone.err);
  CHECK(undone.exit_code == 0);
  CHECK_THAT(undone.out, contains("resources are as they were before run 1."));
  made.expect_two_runs();
}
