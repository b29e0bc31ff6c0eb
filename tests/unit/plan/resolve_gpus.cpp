#include "plan/resolve.h"
#include "support/catch.h"
#include "support/memory_pci.h"

using namespace gpuplan;
using namespace gpuplan::test;

namespace {

struct AutoHost {
  MemoryHost host;
  MemoryPci bus{host};
  Spec spec;
  Diagnostics diagnostics;

  AutoHost() {
    bus.add({"0000:18:00.0"});
    bus.add({"0000:0a:00.0"});
    bus.add({"0000:05:00.0", "0x10de", "0x22a3", "0x068000", "nvidia-nvswitch"});
    bus.add({"0000:03:00.0", "0x1a03", "0x2000", "0x030000", "ast"});
    spec.gpus_auto = true;
  }
  std::vector<std::string> resolved() {
    resolve_gpus(spec, host, diagnostics);
    std::vector<std::string> addresses;
    for (const GpuSpec& gpu : spec.gpus) addresses.push_back(gpu.address.to_string());
    return addresses;
  }
};

}  // namespace

TEST_CASE("gpus: auto takes NVIDIA's GPUs in the order of their addresses") {
  AutoHost host;
  CHECK(host.resolved() == std::vector<std::string>{"0000:0a:00.0", "0000:18:00.0"});
  CHECK(host.diagnostics.items().empty());
}

TEST_CASE("gpus: auto obeys gpu_device_ids") {
  AutoHost host;
  host.bus.add({"0000:90:00.0", "0x10de", "0x2335"});
  host.spec.gpu_device_ids = {{0x10de, 0x2335}};
  CHECK(host.resolved() == std::vector<std::string>{"0000:90:00.0"});
}

TEST_CASE("gpus: auto leaves the boot display out, and says so") {
  AutoHost host;
  host.host.contents["/sys/bus/pci/devices/0000:0a:00.0/boot_vga"] = "1\n";
  CHECK(host.resolved() == std::vector<std::string>{"0000:18:00.0"});
  REQUIRE(host.diagnostics.items().size() == 1);
  CHECK(host.diagnostics.items()[0].severity == Severity::warning);
  CHECK(host.diagnostics.items()[0].summary == "`gpus: auto` leaves out 0000:0a:00.0, on which this host boots");
}

TEST_CASE("gpus: auto without any GPU is an error that lists what is there") {
  AutoHost host;
  host.spec.gpu_device_ids = {{0x10de, 0x20b0}};
  CHECK(host.resolved().empty());
  REQUIRE(host.diagnostics.error_count() == 1);
  CHECK(host.diagnostics.items()[0].summary ==
        "`gpus: auto` finds no GPU with one of the gpu_device_ids; display controllers of this host: 0000:03:00.0 "
        "(1a03:2000), 0000:0a:00.0 (10de:2330), 0000:18:00.0 (10de:2330)");
}

TEST_CASE("an index beyond the GPUs that were found is an error, not skipped") {
  AutoHost host;
  WorkerSpec worker;
  worker.key = "worker-1";
  worker.gpu_indexes = {1, 2};
  host.spec.workers.push_back(worker);
  host.resolved();
  REQUIRE(host.diagnostics.error_count() == 1);
  CHECK(host.diagnostics.items()[0].summary == "worker-1 is assigned GPU 2, but this host has 2 GPUs");
  CHECK(host.diagnostics.items()[0].remedy == "use indexes from 0 to 1");
}

TEST_CASE("a spec that lists its GPUs stays as it is, and the host is not asked") {
  AutoHost host;
  host.spec.gpus_auto = false;
  host.spec.gpus.push_back({*parse_bdf("0000:ff:00.0"), {}, {}});
  host.host.broken["/sys/bus/pci/devices"] = HostError::Kind::failed;
  CHECK(host.resolved() == std::vector<std::string>{"0000:ff:00.0"});
  CHECK(host.diagnostics.items().empty());
}
