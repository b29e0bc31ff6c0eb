// A GPU that is missing in a guest: what the host says about it.
#include "host/xml/domain_xml.h"
#include "support/catch.h"
#include "support/memory_pci.h"
#include "verify/explain.h"

using namespace gpuplan;
using namespace gpuplan::test;

namespace {

constexpr const char* gpu = "0000:0a:00.0";

// One GPU on vfio-pci, in a group of its own and in its VM: nothing is wrong.
class Server {
 public:
  Server() {
    pci.add({gpu, "0x10de", "0x2330", "0x030200", "vfio-pci"});
    worker.target.node = "gpu-worker-1";
    worker.gpus = 1;
    worker.on_host = {*parse_bdf(gpu)};
    define({*parse_bdf(gpu)});
    request.spec = "h100.yaml";
    request.suggest = [](const std::string& words) { return "gpuplan " + words; };
  }
  void define(const std::vector<Bdf>& devices) {
    DomainDefinition definition;
    definition.name = "gpu-worker-1";
    definition.devices = devices;
    DomainState state;
    state.name = definition.name;
    state.xml = render_domain(definition);
    host.domain_states = {state};
  }
  std::optional<verify::Explanation> explain() { return verify::explain_on_host(worker, "0 of 1", request, host); }

  MemoryHost host;
  MemoryPci pci{host};
  VerifiedWorker worker;
  VerifyRequest request;
};

}  // namespace

TEST_CASE("explain on host: where nothing is wrong, what the guest says stands") {
  Server server;
  CHECK_FALSE(server.explain());
  server.worker.on_host.clear();
  CHECK_FALSE(server.explain());
}

TEST_CASE("explain on host: a GPU, or another function of its slot, that is not on vfio-pci") {
  Server server;
  server.pci.remove(gpu);
  server.pci.add({gpu, "0x10de", "0x2330", "0x030200", "nvidia"});
  auto why = server.explain();
  REQUIRE(why);
  CHECK(why->found == "0 of 1");
  CHECK(why->reason ==
        "on the host 0000:0a:00.0 is on the driver nvidia and not on vfio-pci, so that no VM can have it");
  CHECK_THAT(why->next, contains("`gpuplan apply h100.yaml` binds it to vfio-pci"));

  Server audio;
  audio.pci.add({"0000:0a:00.1", "0x10de", "0x22ba", "0x040300", ""});
  why = audio.explain();
  REQUIRE(why);
  CHECK(why->reason == "on the host 0000:0a:00.1 is on no driver and not on vfio-pci, so that no VM can have it");
}

TEST_CASE("explain on host: an IOMMU group with another member") {
  Server server;
  server.pci.add({"0000:0b:00.0", "0x8086", "0x1533", "0x020000", "igb"});
  const auto why = server.explain();
  REQUIRE(why);
  CHECK(why->reason ==
        "IOMMU group 30 of 0000:0a:00.0 also holds 0000:0b:00.0 (Ethernet controller), which is on the driver igb: a "
        "group goes "
        "to a VM as a whole, or not at all");
  CHECK_THAT(why->next, contains("`gpuplan check h100.yaml`"));

  // vfio shares a group with what no driver has.
  Server idle;
  idle.pci.add({"0000:0b:00.0", "0x8086", "0x1533", "0x020000", ""});
  CHECK_FALSE(idle.explain());
}

TEST_CASE("explain on host: a GPU that is gone, off the bus, without a group, or not in its VM") {
  Server server;
  SECTION("gone") {
    server.pci.remove(gpu);
    const auto why = server.explain();
    REQUIRE(why);
    CHECK(why->reason == "the host has no GPU at 0000:0a:00.0 any more");
  }
  SECTION("off the bus") {
    server.host.contents["/sys/bus/pci/devices/0000:0a:00.0/config"] = std::string(64, '\xff');
    const auto why = server.explain();
    REQUIRE(why);
    CHECK(why->reason == "0000:0a:00.0 fell off the host's bus: its configuration space reads as all ones");
  }
  SECTION("no group") {
    server.pci.remove(gpu);
    server.pci.add({gpu, "0x10de", "0x2330", "0x030200", "vfio-pci", -1});
    const auto why = server.explain();
    REQUIRE(why);
    CHECK_THAT(why->reason, contains("is in no IOMMU group"));
  }
  SECTION("not in the VM") {
    server.define({});
    const auto why = server.explain();
    REQUIRE(why);
    CHECK(why->reason == "the VM gpu-worker-1 does not have 0000:0a:00.0");
    CHECK(why->next == "`gpuplan apply h100.yaml` gives it to it");
  }
  SECTION("a host that cannot be read") {
    server.host.broken["/sys/bus/pci/devices/0000:0a:00.0/vendor"] = HostError::Kind::denied;
    CHECK_FALSE(server.explain());
  }
}
