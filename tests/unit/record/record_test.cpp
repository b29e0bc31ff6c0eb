// A real machine's files become the model of a simulated host, without what leads back to the machine.
#include "record/record.h"

#include <filesystem>

#include "host/local/local_host.h"
#include "host/sim/sim_host.h"
#include "host/xml/domain_xml.h"
#include "record/record_parts.h"
#include "support/catch.h"
#include "support/host_files.h"
#include "support/memory_pci.h"

using namespace gpuplan;
using gpuplan::test::MemoryHost;
using gpuplan::test::MemoryPci;

namespace {

namespace fs = std::filesystem;

// A copied tree of a machine with one GPU behind a root port, a network card and a process on the GPU.
class Machine {
 public:
  Machine() {
    function("0000:00:01.0", "pci0000:00", {"0x8086", "0x1901", "0x060400", "pcieport", 1});
    function("0000:01:00.0", "pci0000:00/0000:00:01.0", {"0x10de", "0x2330", "0x030200", "nvidia", 2});
    function("0000:02:00.0", "pci0000:00", {"0x8086", "0x1572", "0x020000", "i40e", 3});
    const std::string gpu = "sys/devices/pci0000:00/0000:00:01.0/0000:01:00.0/";
    make_file(tree / (gpu + "resource"),
              "0x0000383000000000 0x0000383000ffffff 0x000000000014220c\n"
              "0x0000000000000000 0x0000000000000000 0x0000000000000000\n"
              "0x0000382000000000 0x0000383fffffffff 0x000000000014220c\n");
    make_file(tree / (gpu + "reset_method"), "flr bus\n");
    link("sys/class/net/enx0123456789ab", "../../devices/pci0000:00/0000:02:00.0/net/enx0123456789ab");
    make_file(tree / "proc/driver/nvidia/gpus/0000:01:00.0/information",
              "Model: \t\t NVIDIA H100 80GB HBM3\nGPU UUID: \t GPU-5ec2e700-aaaa-bbbb-cccc-0123456789ab\nDevice Minor: \t 0\n");
    make_file(tree / "proc/4242/comm", "python3\n");
    make_file(tree / "proc/4242/cmdline", std::string("python3\0--password=geheim\0", 26));
    make_file(tree / "proc/4242/cgroup", "0::/system.slice/training.service\n");
    link("proc/4242/fd/3", "/dev/nvidia0");
    make_file(tree / "proc/cpuinfo", "processor : 0\nvendor_id : GenuineIntel\nmodel name : Xeon\nflags : vmx\n"
                                     "address sizes : 46 bits physical, 48 bits virtual\n");
    make_file(tree / "proc/meminfo", "MemTotal: 268435456 kB\nMemAvailable: 260046848 kB\n");
    make_file(tree / "proc/interrupts", "  24:  0  IR-PCI-MSI  nvidia\n");
    make_file(tree / "proc/modules", "nvidia 1 0 - Live 0x0\nfalcon_sensor 1 0 - Live 0x0\n");
    make_file(tree / "proc/cmdline", "root=UUID=dead-beef intel_iommu=on ip=203.0.113.7 iommu=pt rd.luks.uuid=5ec2e7\n");
    make_file(tree / "proc/sys/kernel/osrelease", "6.8.0-71-generic\n");
    make_file(tree / "proc/sys/kernel/hostname", "gpu-secret-01\n");
    make_file(tree / "proc/net/route", "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\n"
                                       "enx0123456789ab\t00000000\t0100000A\t0003\t0\t0\t0\t00000000\t0\n"
                                       "enx0123456789ab\t0000000A\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\n"
                                       "enx0123456789ab\t007100CB\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\n");
    make_file(tree / "etc/machine-id", "0123456789abcdef0123456789abcdef\n");
    make_file(tree / "etc/os-release", "PRETTY_NAME=\"Debian GNU/Linux 12\"\nID=debian\nVERSION_ID=\"12\"\n");
    make_file(tree / "boot/grub/grub.cfg", "search --fs-uuid dead-beef\n\tlinux /vmlinuz root=UUID=dead-beef ro intel_iommu=on iommu=pt\n");
    make_file(tree / "etc/driverctl.d/pci-0000:01:00.0", "vfio-pci\n");
    make_file(tree / "etc/passwd", "root:x:0:0:root:/root:/bin/bash\nalice:x:1000:1000:Alice Secret:/home/alice:/bin/sh\n");
    make_file(tree / "etc/group", "root:x:0:\nalice:x:1000:\nkvm:x:104:alice,libvirt-qemu\n");
    make_file(tree / "sys/firmware/acpi/tables/DMAR", "");
    make_file(tree / "sys/devices/system/node/node0/cpulist", "0-31\n");
    make_file(tree / "sys/devices/system/node/node0/meminfo", "Node 0 MemTotal: 268435456 kB\n");
  }

  std::unique_ptr<Host> open() {
    LocalHostOptions options;
    options.root = tree.path();
    options.child_program = GPUPLAN_FILE_ACCESS_CHILD;
    options.libvirt_uri = "test:///default";  // has a VM "test" and a network "default"
    return open_local_host(options);
  }

  std::string record() {
    const auto host = open();
    PciNames names("/nonexistent");
    return record_host(*host, read_inventory(*host, names));
  }

  const TemporaryDirectory tree;

 private:
  struct Function {
    std::string vendor, device, class_code, driver;
    int group;
  };

  void link(const std::string& path, const std::string& target) {
    fs::create_directories(fs::path(tree / path).parent_path());
    fs::create_symlink(target, tree / path);
  }

  void function(const std::string& address, const std::string& above, const Function& facts) {
    const std::string directory = "sys/devices/" + above + "/" + address;
    make_file(tree / (directory + "/vendor"), facts.vendor + "\n");
    make_file(tree / (directory + "/device"), facts.device + "\n");
    make_file(tree / (directory + "/class"), facts.class_code + "\n");
    make_file(tree / (directory + "/numa_node"), "0\n");
    make_file(tree / (directory + "/driver_override"), "(null)\n");
    link("sys/bus/pci/devices/" + address, "../../../devices/" + above + "/" + address);
    const std::string group = "sys/kernel/iommu_groups/" + std::to_string(facts.group);
    link(group + "/devices/" + address, "../../../../devices/" + above + "/" + address);
    link(directory + "/driver", "../../bus/pci/drivers/" + facts.driver);
    link(directory + "/iommu_group", "../../kernel/iommu_groups/" + std::to_string(facts.group));
  }
};

// The model as a simulated host.
class Twin {
 public:
  explicit Twin(const std::string& text) {
    make_file(place / "twin.yaml", text);
    host = open_sim_host(place / "twin.yaml", place / "state", diagnostics);
    INFO(text);
    REQUIRE(host != nullptr);
  }
  Inventory read() {
    PciNames names("/nonexistent");
    return read_inventory(*host, names);
  }
  const TemporaryDirectory place;
  Diagnostics diagnostics;
  std::unique_ptr<Host> host;
};

}  // namespace

TEST_CASE("record: what the files of a machine say stands in its twin") {
  Machine machine;
  Twin twin(machine.record());
  const Inventory inventory = twin.read();
  CHECK(inventory.os == "Debian GNU/Linux 12");
  CHECK(inventory.kernel == "6.8.0-71-generic");
  CHECK(inventory.cpu.model == "Xeon");
  CHECK(inventory.address_width.cpu == 46);
  CHECK(inventory.memory_mib == 262144);
  CHECK(inventory.available_mib == 253952);
  CHECK(inventory.iommu_table == "intel");
  CHECK(inventory.iommu_groups == 3);
  CHECK(inventory.interrupt_remapping);
  REQUIRE(inventory.functions.size() == 3);
  const InventoryFunction* gpu = inventory.find(*parse_bdf("0000:01:00.0"));
  REQUIRE(gpu != nullptr);
  CHECK(gpu->function.driver == "nvidia");
  CHECK(gpu->function.iommu_group == 2);
  CHECK(gpu->function.numa_node == 0);
  CHECK(gpu->function.window_bytes() == (128ULL << 30U) + (16ULL << 20U));
  CHECK(gpu->function.reset_methods == std::vector<std::string>{"flr", "bus"});
  CHECK(gpu->driver_model == "NVIDIA H100 80GB HBM3");
  CHECK(gpu->path.bridges == std::vector<Bdf>{*parse_bdf("0000:00:01.0")});
  REQUIRE(gpu->holders.size() == 1);
  CHECK(gpu->holders[0].pid == 4242);
  CHECK(gpu->holders[0].command == "python3");
  CHECK(gpu->holders[0].unit == "training.service");
  CHECK(twin.host->files().read("/proc/cmdline") == "intel_iommu=on iommu=pt\n");
  CHECK(twin.host->files().read("/etc/passwd") == "root:x:0:0::/:/bin/sh\n");
  CHECK(twin.host->files().read("/etc/group") == "root:x:0:\nkvm:x:104:libvirt-qemu\n");
  CHECK(twin.host->files().read("/etc/driverctl.d/pci-0000:01:00.0") == "vfio-pci\n");
  CHECK(twin.host->files().read("/boot/grub/grub.cfg") ==
        "\tlinux\t/boot/vmlinuz-6.8.0-71-generic ro quiet intel_iommu=on iommu=pt\n");
}

TEST_CASE("record: nothing in a twin leads back to the machine") {
  Machine machine;
  const std::string text = machine.record();
  for (const char* secret : {"0123456789abcdef", "0123456789ab", "gpu-secret-01", "geheim", "5ec2e7", "dead-beef", "203.0.113",
                             "alice", "Alice", "falcon", "6695eb01-f6a4-8304-79aa-97f2502e193f"}) {
    INFO(secret << " in\n" << text);
    CHECK(text.find(secret) == std::string::npos);
  }
}

TEST_CASE("record: private routes stay, with an interface whose name is no MAC address") {
  Machine machine;
  Twin twin(machine.record());
  const std::string routes = twin.host->files().read("/proc/net/route");
  CHECK_THAT(routes, contains("usb-net1\t0000000A"));
  CHECK_THAT(routes, contains("usb-net1\t00000000\t010200C0"));  // a gateway of the range for documents
  CHECK(routes.find("007100CB") == std::string::npos);
}

TEST_CASE("record: VMs of libvirt stand in the twin with what they take") {
  Machine machine;
  Twin twin(machine.record());
  const auto domain = twin.host->hypervisor().domain("test");
  REQUIRE(domain);
  CHECK(domain->power == PowerState::running);
  CHECK(domain->uuid != "6695eb01-f6a4-8304-79aa-97f2502e193f");  // that of libvirt's test driver
  const auto definition = parse_domain(domain->xml);
  REQUIRE(definition);
  CHECK(definition->memory_mib == 8192);
  CHECK(definition->disks.empty());
  CHECK(twin.host->hypervisor().network("default"));
}

TEST_CASE("record: the same machine gives the same twin") {
  Machine machine;
  CHECK(machine.record() == machine.record());
}

TEST_CASE("record: a twin of a twin is the same model") {
  Machine machine;
  const std::string text = machine.record();
  Twin twin(text);
  const std::string again = record_host(*twin.host, twin.read());
  CHECK(again == text);
}

TEST_CASE("record: a GPU that hangs does so in the twin") {
  MemoryHost host;
  MemoryPci pci(host);
  pci.add({"0000:41:00.0"});
  pci.add({"0000:42:00.0", "0x10de", "0x2330", "0x030200", "nvidia", 31});
  host.broken["/sys/bus/pci/devices/0000:41:00.0/driver_override"] = HostError::Kind::timed_out;
  PciNames names("/nonexistent");
  const std::string text = record_host(host, read_inventory(host, names));
  CHECK_THAT(text, contains("# Not read: 0000:41:00.0 does not answer"));
  Twin twin(text);
  const Inventory inventory = twin.read();
  CHECK(inventory.find(*parse_bdf("0000:41:00.0"))->hangs);
  CHECK_FALSE(inventory.find(*parse_bdf("0000:42:00.0"))->hangs);
}

TEST_CASE("record: a host without libvirt has a twin without libvirt") {
  MemoryHost host;
  MemoryPci pci(host);
  pci.add({"0000:41:00.0"});
  host.libvirt_error = HostError(HostError::Kind::unreachable, "qemu:///system", "libvirt does not answer");
  PciNames names("/nonexistent");
  Twin twin(record_host(host, read_inventory(host, names)));
  CHECK_FALSE(twin.read().libvirt_answers);
}

TEST_CASE("record: only parameters about passthrough stay") {
  CHECK(public_kernel_parameters("BOOT_IMAGE=/vmlinuz root=/dev/sda1 quiet intel_iommu=on,sm_on pci=realloc "
                                 "vfio-pci.ids=10de:2330 modprobe.blacklist=nouveau hugepages=16 iscsi_target_ip=10.0.0.1 nfsroot=x") ==
        "intel_iommu=on,sm_on pci=realloc vfio-pci.ids=10de:2330 modprobe.blacklist=nouveau hugepages=16");
  CHECK(public_kernel_parameters("pcie_acs_override=downstream nomodeset nointremap iommu.strict=0") ==
        "pcie_acs_override=downstream nomodeset nointremap iommu.strict=0");
  CHECK(public_kernel_parameters("") == "");
}

TEST_CASE("record: a UUID of a word is a UUID, and always the same") {
  CHECK(uuid_of_word("a") == uuid_of_word("a"));
  CHECK(uuid_of_word("a") != uuid_of_word("b"));
  CHECK(uuid_of_word("a").size() == 36);
}
