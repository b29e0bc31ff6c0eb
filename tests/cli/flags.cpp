// Command lines that cannot be understood: exit code 64, and what was meant.
#include "program.h"
#include "support/catch.h"

namespace {

struct BadLine {
  const char* golden;
  std::vector<std::string> words;
};

const std::vector<BadLine> bad_lines = {
    {"flags-no-verb", {}},
    {"flags-unknown-verb", {"aply", "x.yaml"}},
    {"flags-strange-verb", {"frobnicate"}},
    {"flags-unknown-flag", {"apply", "x.yaml", "--yess"}},
    {"flags-unknown-flag-with-value", {"plan", "x.yaml", "--hots=local"}},
    {"flags-of-another-verb", {"plan", "x.yaml", "--yes"}},
    {"flags-missing-value", {"plan", "x.yaml", "--host"}},
    {"flags-value-not-wanted", {"plan", "x.yaml", "--json=yes"}},
    {"flags-given-twice", {"plan", "x.yaml", "--host", "local", "--host", "local"}},
    {"flags-bad-number", {"plan", "x.yaml", "--parallelism", "0"}},
    {"flags-not-a-number", {"plan", "x.yaml", "--parallelism", "many"}},
    {"flags-host-typo", {"plan", "x.yaml", "--host", "locl"}},
    {"flags-host-file-without-sim", {"plan", "x.yaml", "--host", "specs/hosts/h100-sxm8.yaml"}},
    {"flags-host-sin", {"plan", "x.yaml", "--host", "sin:server.yaml"}},
    {"flags-bad-color", {"status", "--color", "blue"}},
    {"flags-bad-log-level", {"status", "--log-level", "debgu"}},
    {"flags-bad-fault", {"apply", "x.yaml", "--fault", "call:x:fail"}},
    {"flags-bad-format", {"graph", "x.yaml", "--format", "svg"}},
    {"flags-bad-run", {"rollback", "--run", "last"}},
    {"flags-bad-cluster", {"status", "--cluster", "../etc"}},
    {"flags-missing-spec", {"plan"}},
    {"flags-too-many", {"plan", "a.yaml", "b.yaml"}},
    {"flags-argument-not-wanted", {"status", "gpu"}},
};

}  // namespace

TEST_CASE("a bad command line says what is wrong and what to write") {
  const cli::Place place;
  for (const BadLine& line : bad_lines) {
    INFO(line.golden);
    const cli::Result result = place.run(line.words);
    CHECK(result.exit_code == 64);
    CHECK(result.out.empty());
    CHECK_THAT(result.err, contains("error: "));
    CHECK_THAT(result.err, contains("  next: "));
    place.expect_golden(line.golden, result);
  }
}

TEST_CASE("flags may stand before the verb, and --flag=value is the same as --flag value") {
  const cli::Place place;
  const std::string expected = place.run({"status", "--json", "--color", "never"}).out;
  CHECK(place.run({"--json", "--color=never", "status"}).out == expected);
  CHECK(place.run({"--color", "never", "status", "--json"}).out == expected);
}

TEST_CASE("--state-dir beats GPUPLAN_STATE_DIR") {
  const cli::Place place;
  const cli::Result result = place.run({"status", "--state-dir", "/nonexistent/gpuplan"});
  CHECK(result.exit_code == 0);
  CHECK(result.out == "There is no cluster in /nonexistent/gpuplan.\n");
}
