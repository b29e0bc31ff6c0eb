// What is special to NVIDIA on a host.
#include "host/pci/nvidia/driver.h"
#include "host/pci/nvidia/fabric.h"
#include "host/pci/nvidia/smi.h"
#include "support/catch.h"
#include "support/host_error_of.h"
#include "support/memory_pci.h"

using namespace gpuplan;
using namespace gpuplan::test;

namespace {

const Bdf first = *parse_bdf("0000:0a:00.0");
const std::string lock_file = "/proc/driver/nvidia/gpus/0000:0a:00.0/unbindLock";
const std::string information_file = "/proc/driver/nvidia/gpus/0000:0a:00.0/information";

// A server with a GPU of NVIDIA's, and one of AMD's at 0000:18:00.0.
struct TwoVendors {
  MemoryHost host;
  MemoryPci bus{host};

  TwoVendors() {
    bus.add({"0000:0a:00.0"});
    bus.add({"0000:18:00.0", "0x1002", "0x74a1", "0x120000", "amdgpu"});
  }
  PciFunction nvidias() { return *read_pci_function(host.files(), first); }
  PciFunction amds() { return *read_pci_function(host.files(), *parse_bdf("0000:18:00.0")); }
};

}  // namespace

TEST_CASE("nvidia: what is asked of NVIDIA's driver is not asked of another") {
  TwoVendors server;
  const PciFunction nvidias = server.nvidias(), amds = server.amds();
  CHECK(is_usual_gpu(nvidias));
  CHECK(usual_driver(nvidias) == "nvidia");
  CHECK(driver_model(server.host.files(), nvidias) == "NVIDIA H100");
  CHECK(unbind_lock(nvidias) == lock_file);
  CHECK(has_driver_tool(nvidias));
  CHECK(join_argv(persistence_command(nvidias, true)->argv) == "nvidia-smi -i 0000:0a:00.0 -pm 1");

  CHECK(amds.is_gpu());
  CHECK_FALSE(is_usual_gpu(amds));
  CHECK(usual_driver(amds).empty());
  CHECK(driver_model(server.host.files(), amds).empty());
  CHECK_FALSE(unbind_lock(amds));
  CHECK_FALSE(has_driver_tool(amds));
  CHECK_FALSE(persistence_command(amds, true));
  CHECK_FALSE(persistence_is_on(amds, server.host));
  CHECK_FALSE(read_driver_state(server.host, amds));
}

TEST_CASE("nvidia: what the driver does not say is empty") {
  TwoVendors server;
  server.host.contents[information_file] = "Model: \t Unknown\nDevice Minor: \t ?\n";
  CHECK(driver_model(server.host.files(), server.nvidias()).empty());
  const auto state = read_driver_state(server.host, server.nvidias());
  REQUIRE(state);
  CHECK_FALSE(state->minor);
  CHECK_FALSE(state->is_locked);
  CHECK_FALSE(state->persistence);
  CHECK_FALSE(state->mig);
  server.host.contents.erase(information_file);
  CHECK(driver_model(server.host.files(), server.nvidias()).empty());
}

TEST_CASE("nvidia: the state that only the driver can tell") {
  TwoVendors server;
  server.host.contents[information_file] = "Model: \t\t NVIDIA H100\nIRQ:   \t\t 24\nDevice Minor: \t 3\r\n";
  server.host.contents[lock_file] = "1\n";
  server.host.commands["nvidia-smi -i 0000:0a:00.0 -q"] = {
      0, "GPU 00000000:0A:00.0\n    Persistence Mode : Enabled\n    MIG Mode\n        Current : Enabled\n", ""};
  const auto state = read_driver_state(server.host, server.nvidias());
  REQUIRE(state);
  CHECK(state->minor == 3);
  CHECK(state->is_locked);
  CHECK(state->persistence);
  CHECK(state->mig);
}

TEST_CASE("nvidia: nvidia-smi describes each GPU under its address") {
  MemoryHost host;
  CHECK(describe_gpus(host).empty());
  CHECK_FALSE(describe_gpu(host, first).module);
  host.commands["nvidia-smi -q"] = {
      0,
      "Timestamp : today\nDriver Version : 570\n\nGPU 00000000:0A:00.0\n    Persistence Mode : Disabled\n    Addressing\n"
      "        Current : HMM\n    MIG Mode\n        Current  : Disabled\n        Pending : Enabled\n    Module ID : 5\n"
      "GPU 00000000:18:00.0\n    GPU Module Id : 7\r\n    MIG Mode\n        Current : N/A\nGPU 00000000:2A:00.0\n"
      "    Module ID : N/A\n    Platform Info\n        GPU Fabric GUID : N/A\n    Fabric\n        State : Completed\n"
      "        Status : Success\n        Health\n            Summary : N/A\n    Processes : None\n"
      "GPU 00000000:3A:00.0\n    Fabric\n        State : N/A\n",
      ""};
  const auto gpus = describe_gpus(host);
  REQUIRE(gpus.size() == 4);
  CHECK(gpus[0].address == first);
  CHECK(gpus[0].module == 5);
  CHECK(gpus[0].persistence == "Disabled");
  CHECK(gpus[0].mig == "Disabled");
  CHECK(gpus[1].module == 7);
  CHECK(gpus[1].persistence.empty());
  CHECK(gpus[1].mig == "N/A");
  CHECK(gpus[2].address == parse_bdf("0000:2a:00.0"));
  CHECK_FALSE(gpus[2].module);
  CHECK(gpus[2].fabric == "Completed");
  CHECK(gpus[1].fabric.empty());
  CHECK(gpus[3].fabric.empty());
}

TEST_CASE("nvidia: without the minor whoever holds any GPU counts") {
  MemoryHost host;
  MemoryPci bus(host);
  bus.add({"0000:0a:00.0"});
  bus.add({"0000:18:00.0"});
  bus.hold("0000:18:00.0", 17, "other", "/");
  host.links["/proc/18/fd/3"] = "/dev/nvidiactl";
  host.contents.erase("/proc/driver/nvidia/gpus/0000:0a:00.0/information");
  std::vector<std::string> unreadable;
  const auto holders = read_holders(host.files(), *read_pci_function(host.files(), first), unreadable);
  REQUIRE(holders.size() == 1);
  CHECK(holders[0].pid == 17);
  REQUIRE(unreadable.size() == 1);
  REQUIRE_THAT(unreadable[0], contains("which /dev/nvidiaN belongs to 0000:0a:00.0 is unknown"));
}

TEST_CASE("nvidia: only an NVSwitch of NVIDIA's is no bridge among class 0680") {
  PciFunction function;
  function.class_code = 0x068000;
  function.id.vendor = 0x10de;
  CHECK(function.is_nvswitch());
  CHECK_FALSE(function.is_bridge());
  function.id.vendor = 0x8086;
  CHECK_FALSE(function.is_nvswitch());
  CHECK(function.is_bridge());
}

TEST_CASE("nvidia: Fabric Manager is known by its unit, and told of partitions by number") {
  CHECK(is_fabric_manager("nvidia-fabricmanager"));
  CHECK(is_fabric_manager("nvidia-fabricmanager.service"));
  CHECK_FALSE(is_fabric_manager("nvidia-fabricmanager.socket"));
  CHECK_FALSE(is_fabric_manager("nvidia-persistenced.service"));
  CHECK(join_argv(partition_command(3, true).argv) == "fmpm -a 3");
  CHECK(join_argv(partition_command(3, false).argv) == "fmpm -d 3");
}
