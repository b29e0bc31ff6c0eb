// gpuplan discover on simulated servers.
#include <cstdlib>

#include "program.h"
#include "support/catch.h"

namespace {

std::string host(const std::string& name) { return "sim:specs/hosts/" + name + ".yaml"; }

// With the tests' own names of devices: the system's change with its version.
cli::Result discover(const cli::Place& place, std::vector<std::string> words) {
  setenv("GPUPLAN_PCI_IDS", (std::string(GPUPLAN_SOURCE_DIR) + "/tests/support/pci.ids").c_str(), 1);
  words.insert(words.begin(), "discover");
  return place.run(words);
}

}  // namespace

TEST_CASE("discover shows GPUs, NVSwitches, partitions and IOMMU groups") {
  const cli::Place place;
  for (const char* name : {"h100-sxm8", "busy", "rtx4", "no-iommu-parameter"}) {
    const cli::Result result = discover(place, {"--host", host(name)});
    CHECK(result.exit_code == 0);
    CHECK(result.err.empty());
    place.expect_golden(std::string("discover-") + name, result);
  }
}

TEST_CASE("discover --tree shows what hangs where") {
  const cli::Place place;
  for (const char* name : {"h200-sxm8", "rtx4", "shared-nic"}) {
    place.expect_golden(std::string("discover-tree-") + name, discover(place, {"--tree", "--host", host(name)}));
  }
}

TEST_CASE("discover --all shows every IOMMU group and every function") {
  const cli::Place place;
  const std::string some = discover(place, {"--host", host("h100-sxm8")}).out;
  const std::string all = discover(place, {"--all", "--host", host("h100-sxm8")}).out;
  CHECK_THAT(some, contains("2 more IOMMU groups hold neither a GPU nor an NVSwitch; --all lists them.\n"));
  CHECK_THAT(all, contains("Ethernet Controller X710 for 10GbE SFP+"));
  CHECK(all.find("--all lists") == std::string::npos);
  const std::string tree = discover(place, {"--tree", "--all", "--host", host("rtx4")}).out;
  CHECK_THAT(tree, contains("0000:00:01.0  Host bridge"));
}

TEST_CASE("discover says who uses a GPU") {
  const cli::Place place;
  const std::string text = discover(place, {"--host", host("busy")}).out;
  CHECK_THAT(text, contains("python3 (pid 4242, unit training.service)"));
  CHECK_THAT(text, contains("the boot display"));
}

TEST_CASE("discover works without names") {
  const cli::Place place;
  setenv("GPUPLAN_PCI_IDS", "/nonexistent/pci.ids", 1);
  const cli::Result result = place.run({"discover", "--host", host("h100-sxm8")});
  CHECK(result.exit_code == 0);
  CHECK(result.err.empty());
  CHECK_THAT(result.out, contains("NVIDIA H100 80GB HBM3"));
  unsetenv("GPUPLAN_PCI_IDS");
  CHECK(place.run({"discover", "--host", host("h100-sxm8")}).exit_code == 0);
}

TEST_CASE("discover reads this machine, without a change and without root's help") {
  const cli::Place place;
  const cli::Result result = place.run({"discover", "--json"});
  CHECK(result.exit_code == 0);
  CHECK_THAT(result.out, contains("\"iommu_groups\""));
}
