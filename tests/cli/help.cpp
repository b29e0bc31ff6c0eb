// What --help and version say.
#include "program.h"
#include "support/catch.h"

namespace {

const std::vector<std::string> verbs = {"plan",   "apply",   "rollback", "destroy", "check",   "validate", "discover", "record", "init", "kubeconfig", "verify",   "ssh",     "console",  "logs",
                                        "status", "history", "show",     "graph",   "plugins", "version"};

}  // namespace

TEST_CASE("gpuplan --help lists every verb, flag and exit code") {
  const cli::Place place;
  const cli::Result result = place.run({"--help"});
  place.expect_golden("help", result);
  for (const std::string& verb : verbs) CHECK_THAT(result.out, contains("\n  " + verb));
  CHECK(result.exit_code == 0);
}

TEST_CASE("every verb has a help text with an example") {
  const cli::Place place;
  for (const std::string& verb : verbs) {
    const cli::Result result = place.run({verb, "--help"});
    place.expect_golden("help-" + verb, result);
    CHECK(result.exit_code == 0);
    CHECK_THAT(result.out, contains("Usage: gpuplan " + verb));
    CHECK_THAT(result.out, contains("\n  gpuplan " + verb));
    CHECK(result.err.empty());
  }
}

TEST_CASE("help is found wherever the flag stands") {
  const cli::Place place;
  const std::string expected = place.run({"plan", "--help"}).out;
  CHECK(place.run({"--help", "plan"}).out == expected);
  CHECK(place.run({"-h", "plan"}).out == expected);
  CHECK(place.run({"plan", "spec.yaml", "--help"}).out == expected);
}

TEST_CASE("no line of help is wider than a terminal") {
  const cli::Place place;
  for (const std::string& verb : verbs) {
    const std::string text = place.run({verb, "--help"}).out;
    std::size_t line = 0;
    for (const char c : text) {
      line = c == '\n' ? 0 : line + 1;
      if (line > 105) FAIL("a line of `gpuplan " << verb << " --help` is too wide");
    }
  }
}

TEST_CASE("version prints the version and the build tag") {
  const cli::Place place;
  place.expect_golden("version", place.run({"version"}));
  CHECK(place.run({"--version"}).out == place.run({"version"}).out);
}
