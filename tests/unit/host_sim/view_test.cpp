// What a simulated host shows in /sys, /proc, /dev and on its disk.
#include "bench.h"

using namespace gpuplan;
using namespace gpuplan::testing;

namespace {
const std::string nvidia_gpus = "/proc/driver/nvidia/gpus/";
}

TEST_CASE("a PCI function shows what sysfs shows") {
  Bench bench;
  auto host = bench.open();
  FileSystem& files = host->files();
  CHECK(files.read(device_file(gpu, "vendor")) == "0x10de\n");
  CHECK(files.read(device_file(gpu, "device")) == "0x2330\n");
  CHECK(files.read(device_file(gpu, "class")) == "0x030200\n");
  CHECK(files.read(device_file(gpu, "revision")) == "0xa1\n");
  CHECK(files.read(device_file(gpu, "subsystem_device")) == "0x16c1\n");
  CHECK(files.read(device_file(gpu, "numa_node")) == "0\n");
  CHECK(files.read(device_file("0000:c2:00.0", "numa_node")) == "1\n");
  CHECK(files.read(device_file(gpu, "local_cpulist")) == "0-55,112-167\n");
  CHECK(files.read(device_file(gpu, "reset_method")) == "flr bus\n");
  CHECK(files.read(device_file(gpu, "sriov_numvfs")) == "0\n");
  CHECK(files.read(device_file(gpu, "modalias")) == "pci:v000010DEd00002330sv000010DEsd000016C1bc03sc02i00\n");
  CHECK(files.kind(device_file(gpu, "boot_vga")) == FileKind::none);
  CHECK(files.read(device_file("0000:03:00.0", "boot_vga")) == "1\n");
  CHECK(files.kind(pci + "devices/" + gpu) == FileKind::symlink);
  CHECK(files.read_link(device_file(gpu, "iommu_group")) == "../../../kernel/iommu_groups/30");
  CHECK(files.read(device_file(gpu, "iommu_group/devices/" + gpu + "/device")) == "0x2330\n");
}

TEST_CASE("the resource table has the BARs with sizes, flags and aligned places") {
  Bench bench;
  bench.change("2: 128G 64bit prefetchable, 4: 32M", "2: 128G 64bit prefetchable, 4: 16M unassigned, 5: 32M");
  auto host = bench.open();
  const std::string table = host->files().read(device_file(gpu, "resource"));
  std::istringstream lines(table);
  std::vector<std::array<std::uint64_t, 3>> rows;
  std::string a;
  std::string b;
  std::string c;
  while (lines >> a >> b >> c) rows.push_back({std::stoull(a, nullptr, 16), std::stoull(b, nullptr, 16), std::stoull(c, nullptr, 16)});
  REQUIRE(rows.size() == 7);
  CHECK(rows[0][1] - rows[0][0] + 1 == 16ULL << 20U);
  CHECK(rows[2][1] - rows[2][0] + 1 == 128ULL << 30U);
  CHECK(rows[2][0] % (128ULL << 30U) == 0);
  CHECK((rows[2][2] & 0x102000U) == 0x102000U);
  CHECK(rows[1][2] == 0);
  CHECK(rows[4][0] == 0);   // unassigned: starts at 0, size still known
  CHECK(rows[4][1] == (16ULL << 20U) - 1);
}

TEST_CASE("all four NVSwitches share a group, every GPU has its own") {
  Bench bench;
  auto host = bench.open();
  CHECK(host->files().list("/sys/kernel/iommu_groups/60/devices").size() == 4);
  CHECK(host->files().list("/sys/kernel/iommu_groups/33/devices") == std::vector<std::string>{"0000:43:00.0"});
  CHECK(host->files().list(pci + "drivers/nvidia-nvswitch").size() == 4 + 5);
}

TEST_CASE("a host without an IOMMU says which of the two reasons it has") {
  Bench bench;
  SECTION("off in the firmware") {
    bench.change("iommu: {table: DMAR, enabled: true", "iommu: {table: none, enabled: false");
    auto host = bench.open();
    CHECK(host->files().kind("/sys/firmware/acpi/tables/DMAR") == FileKind::none);
    CHECK(host->files().list("/sys/kernel/iommu_groups").empty());
    CHECK_THAT(host->files().read("/proc/interrupts"), !contains("IR-"));
  }
  SECTION("not enabled by the kernel") {
    bench.change("iommu: {table: DMAR, enabled: true", "iommu: {table: DMAR, enabled: false");
    auto host = bench.open();
    CHECK(host->files().kind("/sys/firmware/acpi/tables/DMAR") == FileKind::file);
    CHECK(host->files().list("/sys/kernel/iommu_groups").empty());
    CHECK(host->files().list("/sys/class/iommu").empty());
    CHECK(host->files().kind(device_file(gpu, "iommu_group")) == FileKind::none);
    CHECK_THAT(host->files().read("/proc/interrupts"), contains("IR-"));  // needs no parameter
  }
}

TEST_CASE("/proc tells processors, memory, routes and interrupts") {
  Bench bench;
  auto host = bench.open();
  FileSystem& files = host->files();
  const std::string cpuinfo = files.read("/proc/cpuinfo");
  CHECK_THAT(cpuinfo, contains("processor\t: 223\n"));
  CHECK_THAT(cpuinfo, contains(" vmx\n"));
  CHECK_THAT(cpuinfo, contains("address sizes\t: 52 bits physical, 57 bits virtual\n"));
  CHECK_THAT(files.read("/proc/meminfo"), contains("MemTotal:       2147483648 kB\n"));
  CHECK_THAT(files.read("/proc/interrupts"), contains("IR-PCI-MSIX-0000:0a:00.0"));
  CHECK_THAT(files.read("/proc/net/route"), contains("eno1\t00000000\t0100140A\t0003\t0\t0\t100\t00000000\t"));
  CHECK_THAT(files.read("/proc/net/route"), contains("virbr0\t007AA8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t"));
  CHECK_THAT(files.read("/proc/cmdline"), contains("intel_iommu=on"));
  CHECK(files.read("/sys/devices/system/node/node1/cpulist") == "56-111,168-223\n");
  CHECK_THAT(files.read("/etc/os-release"), contains("VERSION_ID=\"24.04\"\n"));
  CHECK_THAT(files.read("/usr/share/nvidia/nvswitch/fabricmanager.cfg"), contains("FABRIC_MODE=1\n"));
  CHECK_THAT(files.read(nvidia_gpus + gpu + "/information"), contains("Device Minor: \t 0\n"));
}

TEST_CASE("the IOMMU's capability register holds its address width") {
  Bench bench;
  bench.change("address_bits: 52", "address_bits: 46");
  auto host = bench.open();
  const std::string cap = host->files().read("/sys/class/iommu/dmar0/intel-iommu/cap");
  CHECK(((std::stoull(cap, nullptr, 16) >> 16U) & 0x3fU) + 1 == 46);
}

TEST_CASE("a process shows what it has open, and goes with its service") {
  Bench bench("busy.yaml");
  auto host = bench.open();
  CHECK(host->files().read("/proc/4242/comm") == "python3\n");
  CHECK(host->files().read("/proc/4242/cgroup") == "0::/system.slice/training.service\n");
  CHECK(host->files().read_link("/proc/4242/fd/4") == "/dev/nvidia2");
  host->run({{"systemctl", "stop", "training.service"}, "", limit});
  CHECK(host->files().kind("/proc/4242") == FileKind::none);
}

TEST_CASE("hugepages are reserved by writing, as many as there is memory for") {
  Bench bench;
  auto host = bench.open();
  const std::string pages = "/sys/devices/system/node/node0/hugepages/hugepages-1048576kB/";
  host->files().write(pages + "nr_hugepages", "400\n", limit);
  CHECK(host->files().read(pages + "free_hugepages") == "400\n");
  host->files().write(pages + "nr_hugepages", "999999", limit);
  CHECK(std::stoi(host->files().read(pages + "nr_hugepages")) < 1024);
}

TEST_CASE("the host's disk keeps files and directories") {
  Bench bench;
  auto host = bench.open();
  FileSystem& files = host->files();
  files.put_file("/etc/modules-load.d/gpuplan.conf", "vfio-pci\n", 0644);
  CHECK(files.read("/etc/modules-load.d/gpuplan.conf") == "vfio-pci\n");
  CHECK(files.list("/etc/modules-load.d") == std::vector<std::string>{"gpuplan.conf"});
  CHECK(error_of([&] { files.put_file("/no/such/place", "x", 0644); }).what() ==
        std::string("cannot write /no/such/place: no such file or directory"));
  CHECK(error_of([&] { files.put_file("/sys/x", "x", 0644); }).kind() == HostError::Kind::denied);
  files.write("/etc/modules-load.d/gpuplan.conf", "kvm", limit);
  CHECK(files.read("/etc/modules-load.d/gpuplan.conf") == "kvmo-pci\n");
  files.remove_file("/etc/modules-load.d/gpuplan.conf");
  files.remove_file("/etc/modules-load.d/gpuplan.conf");
  CHECK(files.kind("/etc/modules-load.d/gpuplan.conf") == FileKind::none);
  CHECK(files.kind("/etc/modules-load.d") == FileKind::directory);

  files.make_directory("/srv/a/b", 0755);
  files.put_file("/srv/a/b/file", "1", 0600);
  files.remove_directory("/srv/a/b");
  CHECK(files.read("/srv/a/b/file") == "1");
  files.remove_file("/srv/a/b/file");
  files.remove_directory("/srv/a/b");
  CHECK(files.kind("/srv/a/b") == FileKind::none);
  CHECK(files.kind("/srv/a") == FileKind::directory);
}

TEST_CASE("absent paths are told apart from wrong kinds") {
  Bench bench;
  auto host = bench.open();
  CHECK(host->files().kind("/sys/nothing") == FileKind::none);
  CHECK(error_of([&] { host->files().read("/sys/nothing"); }).what() ==
        std::string("cannot read /sys/nothing: no such file or directory"));
  CHECK(error_of([&] { host->files().read("/sys/bus/pci"); }).what() ==
        std::string("cannot read /sys/bus/pci: is a directory"));
  CHECK(error_of([&] { host->files().list("/proc/cpuinfo"); }).what() ==
        std::string("cannot list /proc/cpuinfo: not a directory"));
}
