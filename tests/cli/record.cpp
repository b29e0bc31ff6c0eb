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

namespace {

// VMs alone: what is in them is nothing that a twin has.
std::string spec_of_vms(const cli::Place& place, const std::string& of_host) {
  return place.write("vms.yaml", cli::read_file(GPUPLAN_SOURCE_DIR "/tests/corpus/hosts/one-gpu.yaml") +
                                     "kubernetes: {enabled: false}\nhost: {" + of_host + "}\n");
}

}  // namespace

TEST_CASE("record keeps what binds GPUs at each boot") {
  const cli::Place place;
  std::string host = place.host();
  std::string kept = "/etc/driverctl.d/pci-0000:0a:00.0";
  SECTION("driverctl") {}
  SECTION("a unit") {
    const std::string model = cli::read_file(host);
    const std::size_t at = model.find("driverctl, ");
    REQUIRE(at != std::string::npos);
    host = place.write("no-driverctl.yaml", model.substr(0, at) + model.substr(at + 11));
    kept = "/etc/systemd/system/gpuplan-vfio-0000:0a:00.0.service";
  }
  const std::string spec = spec_of_vms(place, "persist_bindings: true");
  const cli::Result applied = place.run({"apply", spec, "--yes", "--host", "sim:" + host});
  INFO(applied.out << applied.err);
  REQUIRE(applied.exit_code == 0);
  const std::string twin = place.write("twin.yaml", place.run({"record", "--host", "sim:" + host}).out);
  CHECK_THAT(cli::read_file(twin), contains(kept));
  for (const std::string& server : {host, twin}) {
    const cli::Place elsewhere;  // without the journal
    const cli::Result planned = (server == twin ? elsewhere : place).run({"plan", spec, "--host", "sim:" + server});
    INFO(planned.out << planned.err);
    CHECK_THAT(planned.out, contains("Plan: 0 to create, 0 to update, 0 to replace, 0 to remove; 3 unchanged."));
  }
}
