// Versions that do not go together, and a cluster whose version the spec no longer has.
#include "program.h"
#include "support/catch.h"

namespace {

std::string spec_of(const std::string& kubernetes) {
  return "gpus: [{pci_address: \"0000:0a:00.0\"}]\nworker_gpu_assignment: {worker-1: [0]}\nkubernetes: {version: \"" + kubernetes +
         "\"}\n";
}

}  // namespace

TEST_CASE("validate and plan warn of versions that are not supported together") {
  const cli::Place place;
  const std::string path = place.write("versions.yaml", spec_of("1.31"));
  place.expect_golden("validate-versions", place.run({"validate", path}));
  CHECK_THAT(place.run_sim({"plan", path}).err, contains("Kubernetes 1.31 with GPU Operator 26.3 is not among"));
  CHECK(place.run({"validate", place.write("versions.yaml", spec_of("1.36"))}).err.empty());
}

TEST_CASE("another Kubernetes version for a running cluster is refused before anything changes") {
  const cli::Place place;
  const std::string path = place.write("versions.yaml", spec_of("1.34"));
  REQUIRE(place.run_sim({"apply", path, "--yes"}).exit_code == 0);
  place.write("versions.yaml", spec_of("1.35"));
  const cli::Result refused = place.run_sim({"apply", path, "--yes"});
  CHECK(refused.exit_code == 1);
  place.expect_golden("apply-other-kubernetes", refused);
  place.write("versions.yaml", spec_of("1.34"));
  CHECK(place.run_sim({"plan", path, "--detailed-exitcode"}).exit_code == 0);
}
