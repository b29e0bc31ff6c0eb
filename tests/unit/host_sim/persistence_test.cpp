// The current model: where it lives, what it survives, and that the file given is never written.
#include <sys/stat.h>

#include "bench.h"
#include "host/sim/model_yaml.h"
#include "yaml/parse.h"

using namespace gpuplan;
using namespace gpuplan::testing;

namespace {

std::optional<sim::Model> decode(const std::string& text, Diagnostics& problems) {
  const auto source = std::make_shared<const SourceFile>(SourceFile{"host.yaml", text});
  return sim::decode_model(parse_yaml(source, problems), problems);
}

std::string problems_of(const std::string& text) {
  Diagnostics problems;
  CHECK_FALSE(decode(text, problems));
  std::string all;
  for (const Diagnostic& problem : problems.items()) all += render(problem, false);
  return all;
}

}  // namespace

TEST_CASE("a host file read, written and read again is the same host") {
  for (const char* name : {"h100-sxm8.yaml", "busy.yaml"}) {
    Diagnostics problems;
    const auto first = decode(slurp(std::string(GPUPLAN_SOURCE_DIR) + "/specs/hosts/" + name), problems);
    for (const Diagnostic& problem : problems.items()) UNSCOPED_INFO(render(problem, false));
    REQUIRE(first);
    const std::string text = sim::encode_model(*first);
    const auto second = decode(text, problems);
    REQUIRE(second);
    CHECK(sim::encode_model(*second) == text);
    REQUIRE(second->devices.size() == first->devices.size());
    for (std::size_t i = 0; i < first->devices.size(); ++i) {
      CHECK(second->devices[i].address == first->devices[i].address);
      CHECK(second->devices[i].driver == first->devices[i].driver);
      CHECK(second->devices[i].bars.size() == first->devices[i].bars.size());
      CHECK(second->devices[i].minor == first->devices[i].minor);
    }
    CHECK(second->processes.size() == first->processes.size());
    CHECK(second->fabric_manager.partitions.size() == 15);
  }
}

TEST_CASE("a server with values at their bounds reads back, and one beyond them is refused") {
  const std::string about = "machine_id: a\n";
  const auto reads_back = [](const std::string& text) {
    Diagnostics problems;
    const auto first = decode(text, problems);
    REQUIRE(first);
    const auto second = decode(sim::encode_model(*first), problems);
    REQUIRE(second);
    CHECK(sim::encode_model(*second) == sim::encode_model(*first));
    return *second;
  };
  const auto with_bar = [&](const std::string& bar) {
    return about + "pci: [{address: '0000:0a:00.0', id: '10de:2330', bars: {0: " + bar + "}}]\n";
  };
  SECTION("a NUMA node without memory") {
    CHECK(reads_back(about + "numa: [{cpus: 0-3, memory: 4096}, {cpus: 4-7}]\n").numa[1].memory_mib == 0);
  }
  SECTION("a BAR as large as addresses go") {
    CHECK(reads_back(with_bar("4194304G 64bit")).devices[0].bars[0].size == 1ULL << 52U);
  }
  SECTION("a GPU on NVSwitches, in the driver's words") {
    const auto on_fabric = [&](const std::string& state) {
      return about + "pci: [{address: '0000:0a:00.0', id: '10de:2330', fabric: " + state + "}]\n";
    };
    CHECK(reads_back(on_fabric("In Progress")).devices[0].fabric == "In Progress");
    CHECK(problems_of(on_fabric("N/A")).find("pci[0].fabric must be") != std::string::npos);
  }
  SECTION("BARs whose sizes have more bits than a number") {
    for (const char* bar : {"4194305G 64bit", "17179869184G 64bit", "17179869185G 64bit", "4503599627370497"}) {
      CHECK(problems_of(with_bar(bar)).find("not a BAR: \"0: " + std::string(bar)) != std::string::npos);
    }
  }
}

TEST_CASE("reading creates nothing; the first change creates the model and leaves the file alone") {
  Bench bench;
  const std::string given = slurp(bench.file);
  auto host = bench.open();
  host->files().read("/proc/cpuinfo");
  host->hypervisor().networks();
  host->query({{"systemctl", "is-active", "libvirtd"}, "", limit});
  CHECK(bench.model().empty());
  CHECK_FALSE(std::filesystem::exists(bench.state()));

  host->run({{"modprobe", "vfio-pci"}, "", limit});
  REQUIRE_FALSE(bench.model().empty());
  CHECK_THAT(std::filesystem::path(bench.model()).filename().string(), contains("h100-sxm8-"));
  struct stat status {};
  REQUIRE(stat(bench.model().c_str(), &status) == 0);
  CHECK((status.st_mode & 0777) == 0600);
  CHECK(slurp(bench.file) == given);
}

TEST_CASE("what was changed is there for the next process, with its time") {
  Bench bench;
  auto host = bench.open();
  bind_to_vfio(*host, gpu);
  host->clock().sleep_for(std::chrono::seconds(1000));
  const std::int64_t now = host->clock().now();
  const std::string identity = host->identity();
  host.reset();
  host = bench.open();
  CHECK(driver_of(*host, gpu) == "vfio-pci");
  CHECK(host->clock().now() >= now);
  CHECK(host->identity() == identity);
}

TEST_CASE("a current model is a host file itself") {
  Bench bench;
  auto host = bench.open();
  bind_to_vfio(*host, gpu);
  host.reset();
  Bench copy;
  spill(copy.file, slurp(bench.model()));
  CHECK(driver_of(*copy.open(), gpu) == "vfio-pci");
}

TEST_CASE("the identity belongs to the file's place and to the machine in it") {
  Bench bench;
  const std::string identity = bench.open()->identity();
  CHECK(identity.substr(0, 4) == "sim-");
  Bench elsewhere;
  CHECK(elsewhere.open()->identity() != identity);
  bench.change("4f1c2ab7", "4f1c2ab8");
  CHECK(bench.open()->identity() != identity);
}

TEST_CASE("a file edited after the model was made is a warning") {
  Bench bench;
  auto host = bench.open();
  host->run({{"modprobe", "vfio-pci"}, "", limit});
  host.reset();
  bench.change("memory_used: 24576", "memory_used: 24577");
  Diagnostics problems;
  host = open_sim_host(bench.file, bench.state(), problems);
  REQUIRE(host);
  REQUIRE(problems.items().size() == 1);
  const Diagnostic& warning = problems.items()[0];
  CHECK(warning.severity == Severity::warning);
  CHECK(warning.summary == bench.file + " was edited after the simulated host had been changed");
  CHECK(warning.why == "what counts is the current model in " + bench.model());
}

TEST_CASE("a second process may read, but not change") {
  Bench bench;
  auto first = bench.open();
  auto second = bench.open();
  first->run({{"modprobe", "vfio-pci"}, "", limit});
  const HostError error = error_of([&] { second->run({{"modprobe", "vfio-pci"}, "", limit}); });
  CHECK(error.kind() == HostError::Kind::busy);
  CHECK(error.what() ==
        "the simulated host " + bench.file + " is being changed by another process; wait until that has ended");
  CHECK(second->query({{"uname", "-r"}, "", limit}).ok());

  // Once it may, it goes on from what the first one has left.
  bind_to_vfio(*first, gpu);
  first.reset();
  second->run({{"systemctl", "stop", "libvirtd"}, "", limit});
  CHECK(driver_of(*second, gpu) == "vfio-pci");
}

TEST_CASE("a model that cannot be read is an error that says what to do") {
  Bench bench;
  auto host = bench.open();
  host->run({{"modprobe", "vfio-pci"}, "", limit});
  host.reset();
  spill(bench.model(), "machine_id: [");
  Diagnostics problems;
  CHECK_FALSE(open_sim_host(bench.file, bench.state(), problems));
  CHECK(problems.items().back().summary == "the current model of the simulated host cannot be read: " + bench.model());
  CHECK(problems.items().back().remedy == "to start again from " + bench.file + ", remove that file");
  CHECK_FALSE(open_sim_host(bench.directory + "/absent.yaml", bench.state(), problems));
}

TEST_CASE("problems of a host file are reported at their place, all at once") {
  const std::string text =
      "machine_id: \"1\"\nclok_speed: 3\ncpu: {vendor: Intel}\npci:\n  - {address: \"0:0\", id: \"10de:2330\"}\n"
      "  - {address: \"0000:01:00.0\", id: \"10de:2330\", bars: {0: 16X}}\n";
  const std::string problems = problems_of(text);
  CHECK_THAT(problems, contains("host.yaml:2:1: error: "));
  CHECK_THAT(problems, contains("clock_speed"));
  CHECK_THAT(problems, contains("host.yaml:3:15: error: cpu.vendor must be"));
  CHECK_THAT(problems, contains("host.yaml:5:15: error: pci[0].address must be a PCI address such as 0000:0a:00.0, not \"0:0\""));
  CHECK_THAT(problems, contains("pci[1].bars: not a BAR: \"0: 16X\""));
  CHECK_THAT(problems_of("clock_speed: 1\n"), contains("a simulated host needs a machine_id"));
  CHECK_THAT(problems_of("machine_id: \"1\"\npci: [{address: \"0000:01:00.0\", id: \"10de:2330\", default_driver: nvidia}]\n"),
             contains("pci: 0000:01:00.0 is bound to nvidia, whose module nvidia is not loaded"));
}

TEST_CASE("sleeping takes virtual time") {
  Bench bench;
  bench.change("clock_speed: 0 ", "clock_speed: 10000");
  auto host = bench.open();
  const std::int64_t before = host->clock().now();
  const auto real = std::chrono::steady_clock::now();
  host->clock().sleep_for(std::chrono::seconds(300));
  CHECK(host->clock().now() >= before + 300);
  CHECK(std::chrono::steady_clock::now() - real < std::chrono::seconds(5));
}
