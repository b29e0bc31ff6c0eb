#include "host/open/open_host.h"
#include "support/catch.h"
#include "support/temporary_directory.h"

using namespace gpuplan;

namespace {

Diagnostic problem_of(const std::string& name) {
  HostOptions options;
  options.name = name;
  Diagnostics diagnostics;
  const OpenedHost opened = open_host(options, diagnostics);
  REQUIRE_FALSE(opened.host);
  REQUIRE_FALSE(opened.simulated);
  REQUIRE(diagnostics.items().size() == 1);
  REQUIRE(diagnostics.has_errors());
  return diagnostics.items().front();
}

constexpr const char* both_forms = "--host local is this machine, --host sim:FILE the one that FILE describes";

}  // namespace

TEST_CASE("--host local is this machine") {
  Diagnostics diagnostics;
  const OpenedHost opened = open_host({}, diagnostics);
  REQUIRE(opened.host);
  REQUIRE_FALSE(opened.simulated);
  REQUIRE(diagnostics.items().empty());
}

TEST_CASE("--host sim:FILE is the host that the file describes") {
  const TemporaryDirectory state;
  HostOptions options;
  options.name = "sim:" GPUPLAN_SOURCE_DIR "/specs/hosts/h100-sxm8.yaml";
  options.state_dir = state.path();
  Diagnostics diagnostics;
  const OpenedHost opened = open_host(options, diagnostics);
  REQUIRE(opened.host);
  REQUIRE(opened.simulated);
  REQUIRE(opened.host->description() == options.name);
  REQUIRE(std::filesystem::is_empty(state.path()));  // opening changes nothing
}

TEST_CASE("a name that is no host is answered with what was meant") {
  const Diagnostic locl = problem_of("locl");
  REQUIRE(locl.summary == "--host: \"locl\" is no kind of host");
  REQUIRE(locl.remedy == std::string("did you mean local? ") + both_forms);
  REQUIRE(problem_of("sin:twin.yaml").remedy == std::string("did you mean sim:twin.yaml? ") + both_forms);
  REQUIRE(problem_of("ssh:gpu01").remedy.find(both_forms) != std::string::npos);
  REQUIRE(problem_of("").summary == "--host: \"\" is no kind of host");
  REQUIRE(problem_of("specs/hosts/h100-sxm8.yaml").remedy == both_forms);
  REQUIRE(problem_of("a\x1b[2Jb").summary == "--host: \"a\\x1b[2Jb\" is no kind of host");
}

TEST_CASE("a simulated host without a file says what is missing") {
  for (const char* name : {"sim", "sim:"}) {
    const Diagnostic problem = problem_of(name);
    REQUIRE(problem.summary == "--host: a simulated host needs the file that describes it");
    REQUIRE(problem.remedy == "for example --host sim:specs/hosts/h100-sxm8.yaml");
  }
  REQUIRE_THAT(problem_of("sim:/no/such/file.yaml").summary, contains("/no/such/file.yaml"));
}
