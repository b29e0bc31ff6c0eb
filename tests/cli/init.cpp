// gpuplan init on every simulated server: the proposed spec is valid, and passes check where the server can do it.
#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "program.h"
#include "support/catch.h"

namespace {

namespace fs = std::filesystem;

std::string model_of(const std::string& name) { return "sim:specs/hosts/" + name + ".yaml"; }

struct Expectation {
  const char* host;
  bool passes_check;
};

const std::vector<Expectation> hosts = {
    {"a100-pcie4", true},  {"busy", true},        {"h100-sxm8", true},
    {"h200-sxm8", true},   {"h200-vm", false},    {"no-interrupt-remapping", false},
    {"rtx4", true},        {"shared-nic", true},  {"no-iommu-firmware", false},
    {"no-iommu-parameter", false}};

void use_test_names() {
  setenv("GPUPLAN_PCI_IDS", (std::string(GPUPLAN_SOURCE_DIR) + "/tests/support/pci.ids").c_str(), 1);
}

}  // namespace

TEST_CASE("init: every simulated server has an expectation") {
  for (const auto& entry : fs::directory_iterator(std::string(GPUPLAN_SOURCE_DIR) + "/specs/hosts")) {
    if (entry.path().extension() != ".yaml") continue;
    INFO(entry.path());
    CHECK(std::any_of(hosts.begin(), hosts.end(), [&](const auto& each) { return each.host == entry.path().stem(); }));
  }
}

TEST_CASE("init: the proposed spec is valid everywhere, and passes check where the server is able to") {
  use_test_names();
  for (const Expectation& each : hosts) {
    INFO(each.host);
    const cli::Place place;
    const std::string path = place.state_dir() + "-cluster.yaml";
    const cli::Result made = place.run({"init", "--host", model_of(each.host), "--out", path});
    INFO(made.err);
    REQUIRE(made.exit_code == 0);
    CHECK(made.err.empty() == each.passes_check);
    const cli::Result valid = place.run({"validate", path});
    CHECK(valid.exit_code == 0);
    CHECK(valid.err.empty());
    const cli::Result checked = place.run({"check", path, "--host", model_of(each.host)});
    INFO(checked.out);
    CHECK((checked.exit_code == 0) == each.passes_check);
    if (!each.passes_check) continue;
    CHECK_THAT(checked.out, contains(" 0 failed."));
    CHECK(place.run({"plan", path, "--host", model_of(each.host)}).exit_code == 0);
  }
}

TEST_CASE("init: what it writes") {
  use_test_names();
  const cli::Place place;
  for (const char* name : {"busy", "shared-nic", "a100-pcie4", "no-iommu-parameter"}) {
    place.expect_golden(std::string("init-") + name, place.run({"init", "--host", model_of(name)}));
  }
  place.expect_golden("init-four-workers", place.run({"init", "--workers", "4", "--host", model_of("h100-sxm8")}));
}

TEST_CASE("init: more workers than GPUs are refused") {
  const cli::Place place;
  place.expect_golden("init-too-many", place.run({"init", "--workers", "5", "--host", model_of("rtx4")}));
}

TEST_CASE("init: a file that is there is not overwritten") {
  const cli::Place place;
  const std::string path = place.write("cluster.yaml", "mine\n");
  const cli::Result result = place.run({"init", "--host", model_of("rtx4"), "--out", path});
  CHECK(result.exit_code == 1);
  CHECK_THAT(result.err, contains("exists, and is not overwritten"));
  CHECK(cli::read_file(path) == "mine\n");
}

TEST_CASE("init: a cluster can be made of its spec, and taken away again") {
  use_test_names();
  const cli::Place place;
  const std::string path = place.state_dir() + "-cluster.yaml";
  REQUIRE(place.run({"init", "--host", "sim:" + place.host(), "--out", path}).exit_code == 0);
  const cli::Result applied = place.run({"apply", path, "--yes", "--host", "sim:" + place.host()});
  INFO(applied.out << applied.err);
  CHECK(applied.exit_code == 0);
  CHECK(place.run({"destroy", "--yes", "--host", "sim:" + place.host()}).exit_code == 0);
}
