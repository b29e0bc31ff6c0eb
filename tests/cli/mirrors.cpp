// Mirrors and certificates: what a plan says of them, and a cluster made with nothing but mirrors.
#include <regex>
#include <set>

#include "program.h"
#include "support/catch.h"
#include "support/hosts_in.h"

namespace {

const std::string source = GPUPLAN_SOURCE_DIR;

// The shipped example with an authority of its own, and an image that the simulated host can have.
std::string airgapped(const cli::Place& place) {
  place.write("lan-root.pem", cli::read_file(source + "/tests/corpus/spec/lan.pem"));
  std::string spec = cli::read_file(source + "/specs/airgap.yaml");
  spec = std::regex_replace(spec, std::regex("# ca_certificates"), "ca_certificates");
  return std::regex_replace(spec, std::regex("image: .*"),
                            "image: {url: https://mirror.lan/noble.img, sha256: " + std::string(64, 'a') + "}");
}

}  // namespace

TEST_CASE("a cluster of mirrors alone is planned with them, made, and changed in place") {
  const cli::Place place;
  const std::string spec = airgapped(place);
  const std::string path = place.write("airgap.yaml", spec);
  place.expect_golden("mirrors-plan", place.run_sim({"plan", path}));
  const cli::Result apply = place.run_sim({"apply", path, "--yes"});
  INFO(apply.out + apply.err);
  REQUIRE(apply.exit_code == 0);
  CHECK(place.run_sim({"plan", path, "--detailed-exitcode"}).exit_code == 0);
  std::set<std::string> named;
  for (const char* node : {"gpu-control-plane", "gpu-worker-1", "gpu-worker-2"})
    named.merge(gpuplan::hosts_in(cli::read_file(place.state_dir() + "/clusters/gpu/logs/" + node + ".log")));
  CHECK(named == std::set<std::string>{"mirror.lan", "registry.lan"});

  place.write("airgap.yaml", std::regex_replace(spec, std::regex("registry.lan/v2/quay"), "registry.lan/v2/quay-io"));
  place.write("lan-root.pem", "of both\n" + cli::read_file(source + "/tests/corpus/spec/lan.pem"));
  place.expect_golden("mirrors-changed", place.run_sim({"plan", path}));
  REQUIRE(place.run_sim({"apply", path, "--yes"}).exit_code == 0);
  CHECK(place.run_sim({"plan", path, "--detailed-exitcode"}).exit_code == 0);

  // What was kept of the last run is enough to take it all away: the files need not be there any more.
  place.write("lan-root.pem", "");
  const cli::Result destroy = place.run_sim({"destroy", "--yes"});
  INFO(destroy.err);
  CHECK(destroy.exit_code == 0);
}

TEST_CASE("mirrors that the spec does not mention any more are taken from the nodes") {
  const cli::Place place;
  const std::string spec = cli::read_file(source + "/specs/minimal.yaml");
  const std::string path = place.write("spec.yaml", spec + "\nmirrors: {time: [ntp.lan]}\n");
  REQUIRE(place.run_sim({"apply", path, "--yes"}).exit_code == 0);
  REQUIRE_THAT(cli::read_file(place.current_model()), contains("ntp.lan"));
  place.write("spec.yaml", spec);
  CHECK_THAT(place.run_sim({"apply", path, "--yes"}).out, contains("2 updated"));
  CHECK(place.run_sim({"plan", path, "--detailed-exitcode"}).exit_code == 0);
  CHECK_THAT(cli::read_file(place.current_model()), !contains("ntp.lan"));
}

TEST_CASE("a run that fails with mirrors is rolled back without the files of its spec") {
  const cli::Place place;
  const std::string path = place.write("airgap.yaml", airgapped(place));
  REQUIRE(place.run_sim({"apply", path, "--yes"}).exit_code == 0);
  place.write("lan-root.pem", "other\n" + cli::read_file(source + "/tests/corpus/spec/lan.pem"));
  REQUIRE(place.run_sim({"apply", path, "--yes", "--fault", "node-prepare/gpu-worker-2:fail"}).exit_code == 3);
  place.write("lan-root.pem", "");
  const cli::Result rollback = place.run_sim({"rollback", "--yes"});
  INFO(rollback.out + rollback.err);
  CHECK(rollback.exit_code == 0);
  place.write("lan-root.pem", cli::read_file(source + "/tests/corpus/spec/lan.pem"));
  CHECK(place.run_sim({"plan", path, "--detailed-exitcode"}).exit_code == 0);
}

TEST_CASE("a plan is refused with a certificate that is a private key, and with what has no mirror") {
  const cli::Place place;
  const std::string spec = airgapped(place);
  place.write("lan-root.pem", "-----BEGIN PRIVATE KEY-----\nMHc=\n-----END PRIVATE KEY-----\n");
  place.expect_golden("mirrors-private-key", place.run_sim({"plan", place.write("airgap.yaml", spec)}));
  const std::string less = std::regex_replace(spec, std::regex("    nvcr.io.*\n|ca_certificates.*\n"), "");
  place.expect_golden("mirrors-only", place.run_sim({"plan", place.write("less.yaml", less)}));
}
