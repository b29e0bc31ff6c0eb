// Functions behind bridges.
#include "bench.h"
#include "host/pci/pci.h"
#include "host/pci/topology.h"

using namespace gpuplan;
using gpuplan::testing::Bench;

namespace {

const Bdf card = *parse_bdf("0000:21:00.1");

}  // namespace

TEST_CASE("a function behind a bridge stands below it, and its links lead where they should") {
  Bench bench("rtx4.yaml");
  const auto host = bench.open();
  const PciPath path = read_pci_path(host->files(), card);
  CHECK(path.root == "pci0000:20");
  CHECK(path.bridges == std::vector<Bdf>{*parse_bdf("0000:20:01.1")});
  const std::string below = "/sys/devices/pci0000:20/0000:20:01.1/0000:21:00.1";
  CHECK(host->files().read(below + "/vendor") == "0x10de\n");
  CHECK(host->files().kind(below + "/driver/unbind") == FileKind::file);
  CHECK(host->files().list(below + "/iommu_group/devices").size() == 4);
  CHECK(host->files().kind("/sys/devices/pci0000:21") == FileKind::none);
  const auto function = read_pci_function(host->files(), card);
  REQUIRE(function);
  CHECK(function->driver == "snd_hda_intel");
  CHECK(function->iommu_group == 15);
}

TEST_CASE("a chain of bridges is followed to the host bridge") {
  Bench bench("h200-sxm8.yaml");
  const auto host = bench.open();
  const PciPath path = read_pci_path(host->files(), *parse_bdf("0000:06:00.0"));
  CHECK(path.root == "pci0000:03");
  CHECK(path.bridges == std::vector<Bdf>{*parse_bdf("0000:03:00.0"), *parse_bdf("0000:04:01.0")});
  const auto disks = read_class_devices(host->files(), "block");
  CHECK(disks.at(*parse_bdf("0000:e1:00.0")) == std::vector<std::string>{"nvme0n1"});
}

TEST_CASE("behind what is no bridge, or not above, nothing can be") {
  for (const char* wrong : {"0000:21:00.0", "0000:60:01.1", "0000:20:01.7"}) {
    Bench bench("rtx4.yaml");
    bench.change("behind: \"0000:20:01.1\"", std::string("behind: \"") + wrong + "\"");
    Diagnostics problems;
    CHECK(open_sim_host(bench.file, bench.directory + "/state", problems) == nullptr);
    REQUIRE(problems.has_errors());
    CHECK_THAT(problems.items().front().summary, contains(std::string("is behind ") + wrong + ", which is no bridge"));
  }
}
