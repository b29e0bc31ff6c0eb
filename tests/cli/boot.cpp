// host.configure_boot: gpuplan sets the kernel parameter that the IOMMU waits for, and goes on after the reboot.
#include <fstream>
#include <regex>

#include "host/sim/model_yaml.h"
#include "program.h"
#include "support/catch.h"
#include "support/model_essence.h"

namespace {

constexpr const char* drop_in = "/etc/default/grub.d/90-gpuplan.cfg";
constexpr const char* menu = "/boot/grub/grub.cfg";

// A server whose IOMMU waits for intel_iommu=on, and a spec that lets gpuplan set it.
struct Server {
  cli::Place place;
  std::string spec = place.write("one-gpu.yaml", source("tests/corpus/hosts/one-gpu.yaml") + "host: {configure_boot: true}\n");
  std::string host =
      place.write("server.yaml", std::regex_replace(source("specs/hosts/no-iommu-parameter.yaml"),
                                                    std::regex("(^|\n)clock_speed:[^\n]*"), "$1clock_speed: 0"));

  static std::string source(const std::string& path) { return cli::read_file(std::string(GPUPLAN_SOURCE_DIR) + "/" + path); }

  cli::Result run(std::vector<std::string> words) const {
    words.insert(words.end(), {"--host", "sim:" + host, "--parallelism", "1"});
    return place.run(words);
  }

  std::string file(const std::string& path) const {
    const gpuplan::sim::Model model = model_in(place.current_model());
    const auto found = model.files.find(path);
    return found == model.files.end() ? "" : found->second.content;
  }
  void reboot() const {
    gpuplan::sim::Model model = model_in(place.current_model());
    const std::string line = file(menu);
    const std::size_t words = line.find(" ro ");
    REQUIRE(words != std::string::npos);
    model.kernel_command_line = "BOOT_IMAGE=/boot/vmlinuz" + line.substr(words, line.find('\n') - words);
    model.iommu.enabled = line.find("intel_iommu=on") != std::string::npos;
    int group = 0;
    for (gpuplan::sim::Device& device : model.devices) {
      if (model.iommu.enabled) device.iommu_group = group++;  // as behind ports with ACS
    }
    std::ofstream(place.current_model()) << encode_model(model);
  }
};

}  // namespace

TEST_CASE("configure_boot: apply sets the parameter, ends with 6, and goes on after the reboot") {
  const Server server;
  server.place.expect_golden("boot-plan", server.run({"plan", server.spec}));
  const cli::Result first = server.run({"apply", server.spec, "--yes"});
  CHECK(first.exit_code == 6);
  server.place.expect_golden("boot-apply", first);
  CHECK_THAT(server.file(menu), contains("intel_iommu=on iommu=pt"));
  server.place.expect_golden("boot-history", server.place.run({"history"}));
  const cli::Result too_early = server.run({"apply", server.spec, "--yes"});
  CHECK(too_early.exit_code == 6);
  server.place.expect_golden("boot-apply-too-early", too_early);

  server.reboot();
  const cli::Result second = server.run({"apply", server.spec, "--yes"});
  INFO(second.out << second.err);
  CHECK(second.exit_code == 0);
  CHECK_THAT(server.run({"apply", server.spec, "--yes"}).out, contains("No changes."));
  const cli::Result end = server.run({"destroy", "--yes"});
  INFO(end.out << end.err);
  CHECK(end.exit_code == 0);
  CHECK(server.file(drop_in).empty());
  CHECK(server.file(menu) == "\tlinux\t/boot/vmlinuz-5.15.0-151-generic ro quiet\n");
}

TEST_CASE("configure_boot: rollback takes the parameter back") {
  const Server server;
  REQUIRE(server.run({"apply", server.spec, "--yes"}).exit_code == 6);
  const cli::Result undone = server.run({"rollback", "--yes"});
  INFO(undone.out << undone.err);
  CHECK(undone.exit_code == 0);
  CHECK(first_difference(model_essence(server.host), model_essence(server.place.current_model())).empty());
}

TEST_CASE("configure_boot: a recorded twin has what the next boot will do, too") {
  const Server server;
  REQUIRE(server.run({"apply", server.spec, "--yes"}).exit_code == 6);
  const auto expect_same_on_twin = [&](const std::string& said) {
    const std::string twin = server.place.write("twin.yaml", server.run({"record"}).out);
    const cli::Place elsewhere;
    cli::Result planned = elsewhere.run({"plan", server.spec, "--host", "sim:" + twin});
    planned.out = std::regex_replace(planned.out, std::regex("twin\\.yaml"), "server.yaml");
    const cli::Result original = server.run({"plan", server.spec});
    CHECK(planned.out == original.out);
    CHECK(planned.exit_code == original.exit_code);
    CHECK_THAT(original.out + original.err, contains(said));
  };
  expect_same_on_twin("reboot this host, then run the same command again");
  server.reboot();
  expect_same_on_twin("1 unchanged");
}

TEST_CASE("configure_boot: the spec takes it back") {
  const Server server;
  REQUIRE(server.run({"apply", server.spec, "--yes"}).exit_code == 6);
  server.reboot();
  REQUIRE(server.run({"apply", server.spec, "--yes"}).exit_code == 0);
  server.place.write("one-gpu.yaml", Server::source("tests/corpus/hosts/one-gpu.yaml"));
  const cli::Result without = server.run({"apply", server.spec, "--yes"});
  INFO(without.out << without.err);
  CHECK(without.exit_code == 0);
  CHECK(server.file(drop_in).empty());
  CHECK_THAT(without.out, contains("until it is rebooted"));
}

TEST_CASE("configure_boot: a kill at any call is recovered") {
  for (int call = 1; call < 4; ++call) {
    const Server server;
    const cli::Result killed =
        server.run({"apply", server.spec, "--yes", "--fault", "call:" + std::to_string(call) + ":kill"});
    INFO("call " << call << "\n" << killed.out << killed.err);
    REQUIRE(killed.exit_code == 137);
    SECTION("rolled back, call " + std::to_string(call)) {
      CHECK(server.run({"rollback", "--yes"}).exit_code == 0);
      CHECK(first_difference(model_essence(server.host), model_essence(server.place.current_model())).empty());
    }
    SECTION("applied again, call " + std::to_string(call)) {
      const int again = server.run({"apply", server.spec, "--yes"}).exit_code;
      CHECK(again == 6);
      CHECK_THAT(server.file(menu), contains("intel_iommu=on"));
    }
  }
}
