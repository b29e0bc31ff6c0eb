// What an inventory says of hosts in memory: who uses what, what hangs, what may not be read.
#include "inventory/inventory.h"

#include <fmt/format.h>

#include "inventory/print_inventory.h"
#include "support/catch.h"
#include "support/memory_pci.h"

using namespace gpuplan;
using gpuplan::test::MemoryHost;
using gpuplan::test::MemoryPci;

namespace {

constexpr const char* first = "0000:41:00.0";
constexpr const char* second = "0000:42:00.0";

struct Server {
  MemoryHost host;
  MemoryPci pci{host};
  Server() {
    pci.add({first});
    pci.add({second, "0x10de", "0x2330", "0x030200", "nvidia", 31});
    host.contents["/proc/cpuinfo"] = "processor : 0\nvendor_id : GenuineIntel\nmodel name\t: Xeon\nflags : vmx\n"
                                     "address sizes\t: 46 bits physical, 48 bits virtual\n";
    host.contents["/proc/meminfo"] = "MemTotal: 1048576 kB\nMemAvailable: 524288 kB\n";
  }
  Inventory read() {
    PciNames names("/nonexistent");
    return read_inventory(host, names);
  }
  const InventoryFunction& find(const Inventory& inventory, const char* address) {
    const InventoryFunction* item = inventory.find(*parse_bdf(address));
    REQUIRE(item != nullptr);
    return *item;
  }
};

std::string domain_xml(const char* name, const char* bus) {
  return fmt::format("<domain type='kvm'><name>{}</name><memory unit='MiB'>1024</memory><vcpu>1</vcpu><devices>"
                     "<hostdev mode='subsystem' type='pci'><source><address domain='0x0000' bus='{}' slot='0x00' "
                     "function='0x0'/></source></hostdev></devices></domain>", name, bus);
}

}  // namespace

TEST_CASE("inventory: what the machine is") {
  Server server;
  const Inventory inventory = server.read();
  CHECK(inventory.cpu.model == "Xeon");
  CHECK(inventory.address_width.cpu == 46);
  CHECK(inventory.memory_mib == 1024);
  CHECK(inventory.available_mib == 512);
  CHECK(inventory.processors == 1);
  CHECK(inventory.functions.size() == 2);
  CHECK(inventory.libvirt_answers);
}

TEST_CASE("inventory: a GPU without a name in pci.ids has its driver's") {
  Server server;
  const Inventory inventory = server.read();
  CHECK(server.find(inventory, first).name() == "NVIDIA H100");
}

TEST_CASE("inventory: processes that hold a GPU are its users") {
  Server server;
  server.pci.hold(first, 4242, "python3", "/system.slice/jupyter.service");
  const Inventory inventory = server.read();
  CHECK(users_of(server.find(inventory, first)) == "python3 (pid 4242, unit jupyter.service)");
  CHECK(users_of(server.find(inventory, second)) == "");
}

TEST_CASE("inventory: VMs that have a GPU are its users, running or not") {
  Server server;
  server.host.domain_states.push_back({"mine", "", PowerState::running, false, domain_xml("mine", "0x41")});
  server.host.domain_states.push_back({"other", "", PowerState::off, false, domain_xml("other", "0x42")});
  const Inventory inventory = server.read();
  CHECK(users_of(server.find(inventory, first)) == "VM mine (running)");
  CHECK(users_of(server.find(inventory, second)) == "VM other (off)");
}

TEST_CASE("inventory: a GPU that hangs does not hide the others") {
  Server server;
  server.host.broken[std::string("/sys/bus/pci/devices/") + first + "/driver_override"] = HostError::Kind::timed_out;
  const Inventory inventory = server.read();
  CHECK(server.find(inventory, first).hangs);
  CHECK_FALSE(server.find(inventory, second).hangs);
  CHECK(server.find(inventory, second).function.driver == "nvidia");
  REQUIRE(inventory.unread.size() == 1);
  CHECK_THAT(inventory.unread.front(), contains("0000:41:00.0 does not answer"));
  CHECK_THAT(print_inventory(inventory, false), contains("HANGS"));
}

TEST_CASE("inventory: what may not be read without root is named once for all GPUs") {
  Server server;
  server.host.contents["/proc/77/comm"] = "secret\n";
  server.host.broken["/proc/77/fd"] = HostError::Kind::denied;
  const Inventory inventory = server.read();
  REQUIRE(inventory.unread.size() == 1);
  CHECK_THAT(inventory.unread.front(), contains("who uses 0000:41:00.0, 0000:42:00.0 is not fully known"));
}

TEST_CASE("inventory: without libvirt everything else is there") {
  Server server;
  server.host.libvirt_error = HostError(HostError::Kind::unreachable, "qemu:///system", "libvirt does not answer");
  const Inventory inventory = server.read();
  CHECK_FALSE(inventory.libvirt_answers);
  CHECK(inventory.functions.size() == 2);
  CHECK(inventory.unread == std::vector<std::string>{"which VMs there are is unknown: libvirt does not answer"});
}

TEST_CASE("inventory: a host without a PCI bus is an error that names it") {
  MemoryHost host;
  PciNames names("/nonexistent");
  try {
    read_inventory(host, names);
    FAIL("it was read");
  } catch (const HostError& error) {
    CHECK_THAT(error.what(), contains("/sys/bus/pci/devices"));
  }
}

TEST_CASE("inventory: control characters of the host do not reach the terminal") {
  Server server;
  server.host.contents["/proc/driver/nvidia/gpus/0000:41:00.0/information"] = "Model: \t H\x1b[2J100\nDevice Minor: 0\n";
  server.host.contents["/etc/os-release"] = "PRETTY_NAME=\"Evil\x1b]0;\"\n";
  server.pci.hold(first, 4242, "py\x1b[1mthon", "/system.slice/a.service");
  for (const bool all : {false, true}) {
    const Inventory inventory = server.read();
    CHECK(print_inventory(inventory, all).find('\x1b') == std::string::npos);
    CHECK(print_inventory_tree(inventory, all).find('\x1b') == std::string::npos);
    CHECK(inventory_to_json(inventory).dump().find('\x1b') == std::string::npos);
  }
}

TEST_CASE("inventory: the tree shows each bridge once, from the root port down") {
  Server server;
  server.pci.add({"0000:00:01.0", "0x8086", "0x1901", "0x060400", "pcieport", 1});
  server.pci.add({"0000:40:00.0", "0x10b5", "0x8725", "0x060400", "pcieport", 1});
  const std::string above = "../../../devices/pci0000:00/0000:00:01.0/0000:40:00.0/";
  for (const char* gpu : {first, second}) server.host.links[std::string("/sys/bus/pci/devices/") + gpu] = above + gpu;
  CHECK(print_inventory_tree(server.read(), false) ==
        "NUMA node 0\n"
        "  host bridge pci0000:00\n"
        "    0000:00:01.0  root port  PCI bridge\n"
        "      0000:40:00.0  bridge  PCI bridge\n"
        "        0000:41:00.0  3D controller  NVIDIA H100  driver nvidia  group 30\n"
        "        0000:42:00.0  3D controller  NVIDIA H100  driver nvidia  group 31\n");
}

TEST_CASE("inventory: processor lists") {
  CHECK(count_processors("0-55,112-167") == 112);
  CHECK(count_processors("3") == 1);
  CHECK(count_processors("") == 0);
  CHECK(count_processors("0-99999999999,5") == 1);
  CHECK(count_processors("7-3,x") == 0);
}
