// Guests whose network is down: what their agents say is told, and what runs through them goes on.
#include <fstream>

#include "program.h"
#include "support/catch.h"

namespace {

void take_network(const std::string& host_file, const std::string& guests) {
  const std::string host = cli::read_file(host_file);
  const std::size_t section = host.find("\nguest: {");
  const std::string list = "without_network: [" + guests + "]";
  if (section == std::string::npos) {
    std::ofstream(host_file) << host << "guest: {" << list << "}\n";
  } else {
    std::ofstream(host_file) << std::string(host).insert(section + 9, list + ", ");
  }
}

}  // namespace

TEST_CASE("guest agent: a VM that boots without a network is told apart from one that does not boot") {
  const cli::Place place;
  take_network(place.host(), "gpu-worker-1");
  const cli::Result result = place.run_sim({"apply", "specs/minimal.yaml", "--yes"});
  CHECK(result.exit_code == 3);
  CHECK_THAT(result.out, contains("its guest agent answers: it has no address on enp1s0"));
}

TEST_CASE("guest agent: a cluster whose nodes lost their network is still seen, and can be destroyed") {
  const cli::Place place;
  REQUIRE(place.run_sim({"apply", "specs/minimal.yaml", "--yes"}).exit_code == 0);
  take_network(place.current_model(), "gpu-control-plane, gpu-worker-1");
  const cli::Result plan = place.run_sim({"plan", "specs/minimal.yaml", "--detailed-exitcode"});
  CHECK(plan.exit_code == 0);
  CHECK_THAT(plan.out, contains("0 to create, 0 to update, 0 to replace, 0 to remove"));
  CHECK(place.run_sim({"destroy", "specs/minimal.yaml", "--yes"}).exit_code == 0);
}
