// Displays and accelerators of any vendor: bound, given back, and refused while somebody has them open.
#include "vfio_bind_rig.h"

using namespace gpuplan;
using namespace gpuplan::test;

namespace {

const MemoryFunction amd_display{"0000:c1:00.0", "0x1002", "0x740f", "0x038000", "amdgpu"};
const MemoryFunction amd_accelerator{"0000:c1:00.0", "0x1002", "0x74a1", "0x120000", "amdgpu"};
const MemoryFunction habana_accelerator{"0000:c1:00.0", "0x1da3", "0x1020", "0x120000", "habanalabs"};
const MemoryFunction nvswitch{"0000:c1:00.0", "0x10de", "0x22a3", "0x068000", "nvidia-nvswitch"};
const MemoryFunction network_card{"0000:c1:00.0", "0x8086", "0x1592", "0x020000", "ice"};

struct OtherVendor {
  explicit OtherVendor(const MemoryFunction& function) : gpu{host, spec, function.address, {}, {}, {}, false, {}} {
    bus.add(function);
    declare_used_gpu(spec, function.address);
  }
  MemoryHost host;
  MemoryPci bus{host};
  Spec spec;
  GpuRig gpu;
};

}  // namespace

TEST_CASE("vfio-bind: displays and accelerators of other vendors go to vfio-pci and back") {
  const MemoryFunction function = GENERATE(amd_display, amd_accelerator, habana_accelerator);
  INFO(function.driver << " " << function.class_code);
  OtherVendor other(function);
  CHECK(problems(other.gpu.check()).empty());
  other.gpu.apply();
  CHECK(other.bus.driver(function.address) == "vfio-pci");
  CHECK_FALSE(other.host.changed("/proc/driver/nvidia"));
  CHECK(other.gpu.plan().action == Action::none);
  other.gpu.undo();
  CHECK(other.bus.driver(function.address) == function.driver);
  CHECK(other.bus.override_of(function.address) == "(null)\n");
}

TEST_CASE("vfio-bind: an accelerator that a program has open is in use") {
  OtherVendor other(habana_accelerator);
  other.host.links["/sys/bus/pci/devices/0000:c1:00.0/accel/accel0"] = "";
  other.host.contents["/proc/4711/comm"] = "train\n";
  other.host.contents["/proc/4711/cgroup"] = "0::/user.slice\n";
  other.host.links["/proc/4711/fd/5"] = "/dev/accel/accel0";
  CHECK_THAT(check_named(other.gpu.check(), "in-use").found, contains("4711") && contains("train"));
}

TEST_CASE("vfio-bind: of what is no GPU only that is said") {
  const MemoryFunction function = GENERATE(nvswitch, network_card);
  OtherVendor other(function);
  other.bus.add({"0000:c2:00.0", "0x10de", "0x22a3", "0x068000", "nvidia-nvswitch"});  // in its group
  other.spec.gpu_device_ids = {{0x10de, 0x2330}};
  const auto results = other.gpu.check();
  REQUIRE(results.size() == 2);
  CHECK(results[0].name == "exists");
  CHECK(results[1].name == "is-display-class");
  CHECK(results[1].status == CheckStatus::fail);
  CHECK_THAT(results[1].remedy,
             contains(function.driver == "ice" ? "only display controllers"
                                               : "take this address out of `gpus`: NVSwitches stay with the host"));
}
