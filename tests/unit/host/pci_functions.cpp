#include "host/pci/pci.h"
#include "support/catch.h"
#include "support/host_error_of.h"
#include "support/memory_pci.h"

using namespace gpuplan;
using namespace gpuplan::test;

namespace {

const Bdf gpu = *parse_bdf("0000:0a:00.0");
const std::string device = "/sys/bus/pci/devices/0000:0a:00.0";

}  // namespace

TEST_CASE("a function is read with everything sysfs says of it") {
  MemoryHost host;
  MemoryPci bus(host);
  bus.add({"0000:0a:00.0"});
  host.contents[device + "/revision"] = "0xa1\n";
  host.contents[device + "/boot_vga"] = "1\n";
  host.contents[device + "/sriov_numvfs"] = "4\n";
  const auto function = read_pci_function(host.files(), gpu);
  REQUIRE(function);
  CHECK(function->id.to_string() == "10de:2330");
  CHECK(function->class_code == 0x030200);
  CHECK(function->revision == 0xa1);
  CHECK(function->driver == "nvidia");
  CHECK(function->driver_override.empty());
  CHECK(function->iommu_group == 30);
  CHECK(function->numa_node == 0);
  CHECK(function->boot_display);
  CHECK(function->virtual_functions == 4);
  CHECK(function->reset_methods == std::vector<std::string>{"flr", "bus"});
  CHECK(function->is_gpu());
  REQUIRE(function->bars.size() == 2);
  CHECK(function->bars[0].size == 16U << 20U);
  CHECK(function->bars[1].index == 2);
  CHECK(function->bars[1].size == 128ULL << 30U);
  CHECK(function->bars[1].is_64_bit);
  CHECK(function->bars[1].is_prefetchable);
  CHECK(function->window_bytes() == (128ULL << 30U) + (16U << 20U));
}

TEST_CASE("a function that does not exist is nothing") {
  MemoryHost host;
  MemoryPci bus(host);
  CHECK_FALSE(read_pci_function(host.files(), gpu));
  CHECK(read_slot_functions(host.files(), gpu).empty());
}

TEST_CASE("attributes that are missing, broken or absurd do not stop the reading") {
  MemoryHost host;
  MemoryPci bus(host);
  bus.add({"0000:0a:00.0"});
  for (const char* name : {"numa_node", "reset_method", "driver_override"}) host.contents.erase(device + "/" + name);
  host.contents[device + "/resource"] = "hostile\n0x1 0x0 0x200\n0x0\n\xff\xff";
  host.contents[device + "/sriov_numvfs"] = "99999999999999999999\n";
  host.contents[device + "/revision"] = std::string(100000, 'f');
  host.links[device + "/iommu_group"] = "../../../kernel/iommu_groups/many";
  host.broken[device + "/vendor"] = HostError::Kind::denied;
  host.broken[device + "/class"] = HostError::Kind::failed;
  const auto function = read_pci_function(host.files(), gpu);
  REQUIRE(function);
  CHECK(function->id.vendor == 0);
  CHECK(function->numa_node == -1);
  CHECK(function->bars.empty());
  CHECK(function->reset_methods.empty());
  CHECK(function->virtual_functions == 0);
  CHECK(function->revision == 0);
  CHECK_FALSE(function->iommu_group);
  CHECK_FALSE(function->is_bridge());  // what is not known is not left out of a group
  CHECK(class_name(*function) == "class 0x0000");
}

TEST_CASE("a BAR without an address shows base 0") {
  MemoryHost host;
  MemoryPci bus(host);
  MemoryFunction function{"0000:0a:00.0"};
  function.resource =
      "0x0000000000000000 0x0000000000ffffff 0x000000000014220c\n"
      "0x00000000e0000000 0x00000000e0ffffff 0x0000000020040200\n";  // IORESOURCE_UNSET
  bus.add(function);
  const auto read = read_pci_function(host.files(), gpu);
  REQUIRE(read->bars.size() == 2);
  CHECK(read->bars[0].base == 0);
  CHECK(read->bars[0].size == 16U << 20U);
  CHECK(read->bars[1].base == 0);
  CHECK_FALSE(read->bars[1].is_64_bit);
}

TEST_CASE("a kernel without reset_method has the file reset instead") {
  MemoryHost host;
  MemoryPci bus(host);
  MemoryFunction function{"0000:0a:00.0"};
  function.reset_method.clear();
  bus.add(function);
  CHECK(read_pci_function(host.files(), gpu)->reset_methods.empty());
  host.contents[device + "/reset"] = "";
  CHECK(read_pci_function(host.files(), gpu)->reset_methods == std::vector<std::string>{"reset"});
}

TEST_CASE("a device that hangs is never taken for absent") {
  MemoryHost host;
  MemoryPci bus(host);
  bus.add({"0000:0a:00.0"});
  host.broken[device + "/driver"] = HostError::Kind::timed_out;
  const HostError error = host_error_of([&] { read_pci_function(host.files(), gpu); });
  CHECK(error.kind() == HostError::Kind::timed_out);
  CHECK(error.subject() == device + "/driver");
}

TEST_CASE("all functions come in order, strange names are passed over") {
  MemoryHost host;
  MemoryPci bus(host);
  bus.add({"0000:c2:00.0"});
  bus.add({"0000:0a:00.0"});
  host.contents["/sys/bus/pci/devices/10000:e1:00.0/vendor"] = "0x8086\n";
  host.contents["/sys/bus/pci/devices/README/vendor"] = "\n";
  const auto functions = read_pci_functions(host.files());
  REQUIRE(functions.size() == 2);
  CHECK(functions[0].address.to_string() == "0000:0a:00.0");
  CHECK(functions[1].address.to_string() == "0000:c2:00.0");
}

TEST_CASE("a host without a PCI bus is an error that names the path") {
  MemoryHost host;
  CHECK(host_error_of([&] { read_pci_functions(host.files()); }).subject() == "/sys/bus/pci/devices");
}

TEST_CASE("a slot is all its functions but bridges") {
  MemoryHost host;
  MemoryPci bus(host);
  bus.add({"0000:41:00.0"});
  bus.add({"0000:41:00.1", "0x10de", "0x22ba", "0x040300", "snd_hda_intel"});
  bus.add({"0000:41:00.3", "0x10de", "0x22bb", "0x060400", "pcieport"});
  bus.add({"0000:41:01.0", "0x10de", "0x22ba", "0x040300", "snd_hda_intel"});
  const auto functions = read_slot_functions(host.files(), *parse_bdf("41:00.0"));
  REQUIRE(functions.size() == 2);
  CHECK(functions[1].address.to_string() == "0000:41:00.1");
  CHECK(class_name(functions[1]) == "Audio device");
}

TEST_CASE("class names") {
  const auto named = [](std::uint16_t vendor, std::uint32_t code) {
    PciFunction function;
    function.id.vendor = vendor;
    function.class_code = code;
    return class_name(function);
  };
  CHECK(named(0x10de, 0x030200) == "3D controller");
  CHECK(named(0x10de, 0x068000) == "NVSwitch");
  CHECK(named(0x8086, 0x068000) == "class 0x0680");
  CHECK(named(0x8086, 0x060400) == "PCI bridge");
  CHECK(named(0x8086, 0x020000) == "Ethernet controller");
  CHECK(named(0x10de, 0x0c0330) == "USB controller");
  CHECK(named(0x144d, 0x010802) == "NVMe disk");
}

TEST_CASE("a device that reads as all ones has fallen off the bus") {
  MemoryHost host;
  MemoryPci bus(host);
  bus.add({"0000:0a:00.0"});
  CHECK_FALSE(is_off_the_bus(host.files(), gpu));
  host.contents[device + "/config"] = std::string("\xde\x10\x30\x23", 4);
  CHECK_FALSE(is_off_the_bus(host.files(), gpu));
  host.contents[device + "/config"] = "\xff\xff\xff\xff\xff\xff";
  CHECK(is_off_the_bus(host.files(), gpu));
}

TEST_CASE("holders are named with process, unit and file") {
  MemoryHost host;
  MemoryPci bus(host);
  bus.add({"0000:0a:00.0"});
  bus.add({"0000:18:00.0"});
  bus.hold("0000:0a:00.0", 4242, "python3", "/system.slice/training.service");
  bus.hold("0000:18:00.0", 17, "other", "/system.slice/other.service");
  host.links["/proc/900/fd/7"] = "/run/nvidia/driver/dev/nvidia0";
  host.contents["/proc/900/cgroup"] = "0::/kubepods/burstable/pod1/" + std::string(64, 'a') + "\n";
  host.links["/proc/901/fd/7"] = "/dev/nvidia01";
  std::vector<std::string> unreadable;
  const auto holders = read_holders(host.files(), *read_pci_function(host.files(), gpu), unreadable);
  REQUIRE(holders.size() == 2);
  CHECK(holders[0].pid == 900);
  CHECK(holders[0].unit == "container aaaaaaaaaaaa");
  CHECK(holders[1].pid == 4242);
  CHECK(holders[1].command == "python3");
  CHECK(holders[1].unit == "training.service");
  CHECK(holders[1].file == "/dev/nvidia0");
  CHECK(unreadable.empty());
}

TEST_CASE("a unit of a user's session is never taken for one of the system") {
  MemoryHost host;
  MemoryPci bus(host);
  bus.add({"0000:0a:00.0"});
  bus.hold("0000:0a:00.0", 4242, "jupyter\x1b[2J", "/user.slice/user-1000.slice/user@1000.service/app.slice/jupyter.service");
  std::vector<std::string> unreadable;
  const auto holders = read_holders(host.files(), *read_pci_function(host.files(), gpu), unreadable);
  REQUIRE(holders.size() == 1);
  CHECK(holders[0].unit == "user@1000.service");
  CHECK(holders[0].command == "jupyter\\x1b[2J");
}

TEST_CASE("processes that may not be looked into are said in one sentence") {
  MemoryHost host;
  MemoryPci bus(host);
  bus.add({"0000:0a:00.0"});
  for (const char* pid : {"10", "11"}) {
    host.contents[std::string("/proc/") + pid + "/comm"] = "secret\n";
    host.broken[std::string("/proc/") + pid + "/fd"] = HostError::Kind::denied;
  }
  std::vector<std::string> unreadable;
  CHECK(read_holders(host.files(), *read_pci_function(host.files(), gpu), unreadable).empty());
  CHECK(unreadable == std::vector<std::string>{"the open files of 2 processes may not be read, so whether one of them "
                                               "uses 0000:0a:00.0 is unknown"});
}

TEST_CASE("on vfio-pci the group's file and the device's own count") {
  MemoryHost host;
  MemoryPci bus(host);
  MemoryFunction function{"0000:0a:00.0"};
  function.driver = "vfio-pci";
  bus.add(function);
  host.links["/proc/50/fd/3"] = "/dev/vfio/30";
  host.links["/proc/51/fd/3"] = "/dev/vfio/3";
  host.contents[device + "/vfio-dev/vfio7/dev"] = "511:7\n";
  host.links["/proc/52/fd/3"] = "/dev/vfio/devices/vfio7";
  std::vector<std::string> unreadable;
  const auto holders = read_holders(host.files(), *read_pci_function(host.files(), gpu), unreadable);
  REQUIRE(holders.size() == 2);
  CHECK(holders[0].pid == 50);
  CHECK(holders[1].pid == 52);
}

TEST_CASE("pci: sizes in the words of lspci") {
  CHECK(size_words(128ULL << 30U) == "128G");
  CHECK(size_words(1536ULL << 10U) == "1536K");
  CHECK(size_words(128) == "128");
  CHECK(size_words(0) == "0");
}
