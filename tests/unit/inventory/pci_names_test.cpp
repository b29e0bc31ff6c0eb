// Names from a pci.ids file, also from one that is broken or not there.
#include "host/names/pci_names.h"
#include "support/catch.h"
#include "support/host_files.h"

using namespace gpuplan;

namespace {

const PciId h100{0x10de, 0x2330};
const std::string test_database = std::string(GPUPLAN_SOURCE_DIR) + "/tests/support/pci.ids";

}  // namespace

TEST_CASE("pci names: vendors and devices have the names of the database, or none") {
  PciNames names(test_database);
  REQUIRE(names.has_database());
  CHECK(names.vendor(h100) == "NVIDIA Corporation");
  CHECK(names.device(h100) == "GH100 [H100 SXM5 80GB]");
  CHECK(names.device({0x10de, 0x2335}) == "");
  CHECK(names.vendor({0xbeef, 0x0001}) == "");
}

TEST_CASE("pci names: a database that is not there is no error") {
  PciNames names("/nonexistent/pci.ids");
  CHECK_FALSE(names.has_database());
  CHECK(names.vendor(h100) == "");
  CHECK(names.device(h100) == "");
}

TEST_CASE("pci names: a malformed database is no error, and does not end the process") {
  const TemporaryDirectory directory;
  const std::string path = directory.path() + "/pci.ids";
  make_file(path, "10de  NVIDIA Corporation\n\tzzzz  What is no number\n");
  PciNames names(path);
  CHECK_FALSE(names.has_database());
  CHECK(names.device(h100) == "");
  PciNames sound(test_database);
  CHECK(sound.device(h100) == "GH100 [H100 SXM5 80GB]");
}

TEST_CASE("pci names: control characters of a database do not reach the terminal") {
  const TemporaryDirectory directory;
  const std::string path = directory.path() + "/pci.ids";
  make_file(path, "10de  NVIDIA\x1b[2J Corporation\n");
  CHECK(PciNames(path).vendor(h100) == "NVIDIA\\x1b[2J Corporation");
}
