// gpuplan record: what it writes, and where. That plans on a twin are those of the original stands in hosts.cpp.
#include <filesystem>

#include "program.h"
#include "support/catch.h"

namespace {

const std::string shared_nic = "sim:specs/hosts/shared-nic.yaml";

}  // namespace

TEST_CASE("record writes a model of the server to stdout") {
  const cli::Place place;
  const cli::Result result = place.run({"record", "--host", shared_nic});
  CHECK(result.exit_code == 0);
  place.expect_golden("record", result);
}

TEST_CASE("record writes a new file, and never over an old one") {
  const cli::Place place;
  const std::string path = place.state_dir() + "-twin.yaml";
  const cli::Result first = place.run({"record", "--host", shared_nic, "--out", path});
  place.expect_golden("record-out", first);
  CHECK(first.exit_code == 0);
  const std::string written = cli::read_file(path);
  CHECK(written == place.run({"record", "--host", shared_nic}).out);
  const cli::Result second = place.run({"record", "--host", "sim:specs/hosts/busy.yaml", "--out", path});
  CHECK(second.exit_code == 1);
  CHECK_THAT(second.err, contains("exists, and is not overwritten"));
  CHECK(cli::read_file(path) == written);
}

TEST_CASE("record follows no symlink") {
  const cli::Place place;
  const std::string target = place.write("precious.txt", "keep me");
  const std::string link = place.state_dir() + "-link.yaml";
  std::filesystem::create_symlink(target, link);
  CHECK(place.run({"record", "--host", shared_nic, "--out", link}).exit_code == 1);
  CHECK(cli::read_file(target) == "keep me");
}

TEST_CASE("record says where it cannot write") {
  const cli::Place place;
  const cli::Result result = place.run({"record", "--host", shared_nic, "--out", "/nonexistent/twin.yaml"});
  CHECK(result.exit_code == 1);
  CHECK_THAT(result.err, contains("/nonexistent/twin.yaml cannot be written: no such file or directory"));
}
