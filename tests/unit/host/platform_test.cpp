// Processor, address widths, the way to a function, and routes, as a host's files tell them.
#include "host/pci/platform.h"
#include "host/pci/topology.h"
#include "host/routes.h"
#include "support/catch.h"
#include "support/memory_host.h"

using namespace gpuplan;
using namespace gpuplan::test;

TEST_CASE("the first processor speaks for all") {
  MemoryHost host;
  host.contents["/proc/cpuinfo"] =
      "processor\t: 0\nvendor_id\t: AuthenticAMD\nmodel name\t: AMD EPYC 9654\nflags\t\t: fpu svm\n"
      "address sizes\t: 52 bits physical, 57 bits virtual\n\n"
      "processor\t: 1\nvendor_id\t: GenuineIntel\nflags\t\t: hypervisor\n";
  const CpuFacts cpu = read_cpu(host.files());
  CHECK(cpu.is_amd);
  CHECK_FALSE(cpu.is_intel);
  CHECK(cpu.model == "AMD EPYC 9654");
  CHECK(cpu.has_virtualization);
  CHECK_FALSE(cpu.is_guest);
  CHECK(cpu.physical_bits == 52);
  CHECK(cpu.virtual_bits == 57);
}

TEST_CASE("without /proc/cpuinfo nothing is known of the processor") {
  MemoryHost host;
  const CpuFacts cpu = read_cpu(host.files());
  CHECK_FALSE(cpu.has_virtualization);
  CHECK(cpu.model.empty());
  CHECK_FALSE(cpu.physical_bits);
  CHECK_FALSE(read_address_width(host.files()).usable());
}

TEST_CASE("the smaller of both address widths can be used") {
  MemoryHost host;
  host.contents["/proc/cpuinfo"] = "address sizes : 52 bits physical, 57 bits virtual\n";
  host.contents["/sys/class/iommu/dmar0/intel-iommu/cap"] = "8d2078c002e0406\n";  // bits 21:16 are 2e: 47 bits
  host.contents["/sys/class/iommu/dmar1/intel-iommu/cap"] = "8d2078c00390406\n";  // 39: 58 bits
  const AddressWidth width = read_address_width(host.files());
  CHECK(width.cpu == 52);
  CHECK(width.iommu == 47);
  CHECK(width.usable() == 47);
}

TEST_CASE("AMD's IOMMUs tell their address width in levels of page tables") {
  MemoryHost host;
  std::string& features = host.contents["/sys/class/iommu/ivhd0/amd-iommu/features"];
  const auto bits = [&](const char* text) {
    features = text;
    return read_address_width(host.files()).iommu;
  };
  CHECK(bits("0:29d3\n") == 64);                     // QEMU's, by a kernel 6.1
  CHECK(bits("58f77ef22294ade\n") == 64);            // by a kernel 5.15
  CHECK(bits("a73:841f77e022094ace\n") == 64);
  CHECK(bits("0:21d3\n") == 48);
  CHECK(bits("0:25d3\n") == 57);
  CHECK_FALSE(bits("0:2dd3\n"));
  CHECK_FALSE(bits("\n"));
  CHECK_FALSE(bits("0:\n"));
}

TEST_CASE("the way to a function leads over its bridges") {
  MemoryHost host;
  host.links["/sys/bus/pci/devices/0000:41:00.0"] = "../../../devices/pci0000:40/0000:40:01.1/0000:41:00.0";
  host.links["/sys/bus/pci/devices/0000:40:01.1"] = "../../../devices/pci0000:40/0000:40:01.1";
  const PciPath gpu = read_pci_path(host.files(), *parse_bdf("0000:41:00.0"));
  CHECK(gpu.root == "pci0000:40");
  CHECK(gpu.bridges == std::vector<Bdf>{*parse_bdf("0000:40:01.1")});
  CHECK(read_pci_path(host.files(), *parse_bdf("0000:40:01.1")).bridges.empty());
  CHECK(read_pci_path(host.files(), *parse_bdf("0000:42:00.0")).root.empty());
}

TEST_CASE("what a class has belongs to the function nearest above it") {
  MemoryHost host;
  host.links["/sys/class/net/eno1"] = "../../devices/pci0000:00/0000:00:01.0/0000:01:00.0/net/eno1";
  host.links["/sys/class/net/lo"] = "../../devices/virtual/net/lo";
  const auto devices = read_class_devices(host.files(), "net");
  REQUIRE(devices.size() == 1);
  CHECK(devices.at(*parse_bdf("0000:01:00.0")) == std::vector<std::string>{"eno1"});
  CHECK(read_class_devices(host.files(), "block").empty());
}

TEST_CASE("routes are read with their gateways, and what is none is left out") {
  const auto routes = parse_routes(
      "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
      "eno1\t00000000\t0100000A\t0003\t0\t0\t100\t00000000\t0\t0\t0\n"
      "eno1\t0000000A\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n"
      "broken\tXY\nshort\n\n");
  REQUIRE(routes.size() == 2);
  CHECK(routes[0].range.prefix == 0);
  CHECK(format_ipv4(routes[0].gateway) == "10.0.0.1");
  CHECK(routes[1].range.to_string() == "10.0.0.0/16");
  CHECK(routes[1].gateway == 0);
  CHECK(parse_routes("").empty());
}
