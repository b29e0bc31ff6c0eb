// Domain documents: what is rendered, word for word, and what is read back.
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "host/xml/domain_xml.h"
#include "support/catch.h"

using namespace gpuplan;

namespace {

Bdf bdf(const std::string& text) { return parse_bdf(text).value(); }

DomainDefinition worker_domain(const std::string& name) {
  DomainDefinition definition;
  definition.name = name;
  definition.owner.cluster = "gpu";
  definition.memory_mib = 204800;
  definition.cpus = 48;
  definition.disks = {{"/var/lib/gpuplan/images/" + name + ".qcow2", "qcow2", "vda", false},
                      {"/var/lib/gpuplan/images/" + name + "_seed.iso", "raw", "vdb", true}};
  definition.network = "gpu-k8s-net";
  definition.mac = "52:54:00:aa:bb:01";
  definition.console_log = "/var/log/libvirt/qemu/" + name + "-console.log";
  definition.node_address = "192.168.130.21";
  return definition;
}

DomainDefinition one_gpu() {
  DomainDefinition definition = worker_domain("gpu-worker-1");
  definition.devices = {bdf("0000:0a:00.0")};
  definition.mmio64_window_mib = 524288;
  definition.locked_memory = true;
  return definition;
}

DomainDefinition four_h100() {
  DomainDefinition definition = one_gpu();
  definition.devices = {bdf("0000:0a:00.0"), bdf("0000:18:00.0"), bdf("0000:3a:00.0"), bdf("0000:43:00.0")};
  definition.mmio64_window_mib = 2097152;
  definition.numa_node = 0;
  definition.cpu_list = "0-55,112-167";
  return definition;
}

DomainDefinition eight_h200() {
  DomainDefinition definition = worker_domain("gpu-worker-1");
  for (const char* address :
       {"18:00.0", "2a:00.0", "3a:00.0", "5d:00.0", "9a:00.0", "ab:00.0", "ba:00.0", "db:00.0"}) {
    definition.devices.push_back(bdf(address));
  }
  definition.uuid = "3f2a6c1e-0d4b-4e57-9a11-2b6f5a0c7d10";
  definition.memory_mib = 1835008;
  definition.cpus = 192;
  definition.hugepages = "1G";
  definition.physical_address_bits = 46;
  definition.mmio64_window_mib = 8388608;
  definition.locked_memory = true;
  return definition;
}

DomainDefinition two_cards_with_audio() {
  DomainDefinition definition = worker_domain("gpu-worker-2");
  definition.devices = {bdf("0000:41:00.0"), bdf("0000:41:00.1"), bdf("0000:81:00.1"), bdf("0000:81:00.0"),
                        bdf("0000:81:00.3")};
  definition.mmio64_window_mib = 131072;
  definition.locked_memory = true;
  definition.hugepages = "2M";
  return definition;
}

DomainDefinition bios_in_emulation() {
  DomainDefinition definition = worker_domain("gpu-control-plane");
  definition.type = "qemu";
  definition.firmware = "bios";
  definition.network.clear();
  definition.bridge = "br0";
  definition.memory_mib = 8192;
  definition.cpus = 4;
  return definition;
}

std::string golden_path(const std::string& name) {
  return std::string(GPUPLAN_SOURCE_DIR) + "/tests/golden/xml/" + name + ".xml";
}

void require_golden(const std::string& name, const std::string& text) {
  if (std::getenv("GPUPLAN_ACCEPT") != nullptr) std::ofstream(golden_path(name)) << text;
  std::ifstream file(golden_path(name));
  std::ostringstream expected;
  expected << file.rdbuf();
  INFO("GPUPLAN_ACCEPT=1 refreshes " << golden_path(name));
  REQUIRE(text == expected.str());
}

void require_same(const DomainDefinition& read, const DomainDefinition& written) {
  CHECK(read.name == written.name);
  CHECK(read.uuid == written.uuid);
  CHECK(read.owner == written.owner);
  CHECK(read.type == written.type);
  CHECK(read.memory_mib == written.memory_mib);
  CHECK(read.cpus == written.cpus);
  CHECK(read.firmware == written.firmware);
  CHECK(read.hugepages == written.hugepages);
  CHECK(read.numa_node == written.numa_node);
  CHECK(read.cpu_list == written.cpu_list);
  CHECK(read.physical_address_bits == written.physical_address_bits);
  CHECK(read.mmio64_window_mib == written.mmio64_window_mib);
  CHECK(read.network == written.network);
  CHECK(read.bridge == written.bridge);
  CHECK(read.mac == written.mac);
  CHECK(read.console_log == written.console_log);
  CHECK(read.locked_memory == written.locked_memory);
  CHECK(read.node_address == written.node_address);
  REQUIRE(read.disks.size() == written.disks.size());
  for (std::size_t i = 0; i < read.disks.size(); ++i) {
    CHECK(read.disks[i].path == written.disks[i].path);
    CHECK(read.disks[i].format == written.disks[i].format);
    CHECK(read.disks[i].target == written.disks[i].target);
    CHECK(read.disks[i].read_only == written.disks[i].read_only);
  }
}

std::size_t count(const std::string& text, const std::string& word) {
  std::size_t found = 0;
  for (std::size_t at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) ++found;
  return found;
}

}  // namespace

TEST_CASE("domain documents are as recorded") {
  require_golden("one-gpu", render_domain(one_gpu()));
  require_golden("four-h100", render_domain(four_h100()));
  require_golden("eight-h200", render_domain(eight_h200()));
  require_golden("two-cards-with-audio", render_domain(two_cards_with_audio()));
  require_golden("bios-in-emulation", render_domain(bios_in_emulation()));
}

TEST_CASE("what is rendered is read back") {
  for (const DomainDefinition& definition : {one_gpu(), four_h100(), eight_h200(), bios_in_emulation()}) {
    const auto read = parse_domain(render_domain(definition));
    REQUIRE(read);
    require_same(*read, definition);
    CHECK(read->devices == definition.devices);
  }
  // Functions of one slot come back in their order.
  const auto read = parse_domain(render_domain(two_cards_with_audio()));
  REQUIRE(read);
  CHECK(read->devices ==
        std::vector<Bdf>{bdf("41:00.0"), bdf("41:00.1"), bdf("81:00.0"), bdf("81:00.1"), bdf("81:00.3")});
}

TEST_CASE("libvirt's own tool accepts the documents") {
  for (const char* name : {"one-gpu", "four-h100", "eight-h200", "two-cards-with-audio", "bios-in-emulation"}) {
    INFO(name);
    CHECK(std::system(("virt-xml-validate '" + golden_path(name) + "' domain >/dev/null").c_str()) == 0);
  }
  CHECK(std::system(("virt-xml-validate '" + golden_path("nat-network") + "' network >/dev/null").c_str()) == 0);
}

TEST_CASE("each slot has its own root port, and its functions stay together") {
  const std::string text = render_domain(two_cards_with_audio());
  // network, serial, disk, a spare one, and two cards
  CHECK(count(text, "model=\"pcie-root-port\"") == 6);
  CHECK(count(text, "<hostdev mode=\"subsystem\" type=\"pci\" managed=\"no\">") == 5);
  CHECK(count(text, "<rom bar=\"off\"/>") + count(text, "<rom bar=\"off\" />") == 5);
  CHECK_THAT(text, contains("bus=\"0x05\" slot=\"0x00\" function=\"0x0\" multifunction=\"on\""));
  CHECK_THAT(text, contains("bus=\"0x05\" slot=\"0x00\" function=\"0x1\""));
  CHECK_THAT(text, contains("bus=\"0x06\" slot=\"0x00\" function=\"0x0\" multifunction=\"on\""));
  CHECK_THAT(text, contains("bus=\"0x06\" slot=\"0x00\" function=\"0x3\""));
}

TEST_CASE("a GPU keeps its guest address when another one comes behind it") {
  const std::string before = render_domain(one_gpu());
  DomainDefinition more = one_gpu();
  more.devices.push_back(bdf("0000:18:00.0"));
  const std::string hostdev =
      before.substr(before.find("<hostdev"), before.find("</hostdev>") - before.find("<hostdev"));
  CHECK_THAT(render_domain(more), contains(hostdev));
}

TEST_CASE("GPUs whose place in the guest is known stay there, and the others get free ones") {
  const auto buses = [](const DomainDefinition& definition) { return parse_domain(render_domain(definition)).value().guest_buses; };
  const auto places = [&](const DomainDefinition& definition) {
    std::string text;
    for (const GuestBus& place : buses(definition)) {
      text += place.slot.to_string() + "@" + std::to_string(place.bus) + " ";
    }
    return text;
  };
  DomainDefinition definition = one_gpu();
  definition.devices = {bdf("0000:41:00.0")};
  CHECK(places(definition) == "0000:41:00.0@5 ");
  definition.guest_buses = buses(definition);
  definition.devices = {bdf("0000:01:00.0"), bdf("0000:41:00.0"), bdf("0000:42:00.0")};
  CHECK(places(definition) == "0000:01:00.0@6 0000:41:00.0@5 0000:42:00.0@7 ");
  definition.guest_buses = buses(definition);
  definition.devices = {bdf("0000:42:00.0")};  // the ports below it stay, without a device
  CHECK(places(definition) == "0000:42:00.0@7 ");
  CHECK(count(render_domain(definition), "model=\"pcie-root-port\"") == 7);
  definition.devices = {bdf("0000:01:00.0"), bdf("0000:42:00.0")};
  definition.guest_buses = {{bdf("0000:42:00.0"), 2}, {bdf("0000:01:00.0"), 255}};  // a disk's, and one that no port has
  CHECK(places(definition) == "0000:01:00.0@5 0000:42:00.0@6 ");
  definition.guest_buses = {{bdf("0000:42:00.0"), 8}, {bdf("0000:01:00.0"), 8}};  // as somebody has edited them
  CHECK(places(definition) == "0000:01:00.0@8 0000:42:00.0@5 ");
}

TEST_CASE("more than eight root ports continue in the next slot") {
  const std::string text = render_domain(eight_h200());
  CHECK(count(text, "model=\"pcie-root-port\"") == 12);
  CHECK_THAT(text, contains("<target chassis=\"9\" port=\"0x18\" />"));
  CHECK_THAT(text, contains("bus=\"0x00\" slot=\"0x03\" function=\"0x0\" multifunction=\"on\""));
}

TEST_CASE("without function 0 the functions are renumbered") {
  DomainDefinition definition = one_gpu();
  definition.devices = {bdf("0000:41:00.1"), bdf("0000:41:00.2")};
  const std::string text = render_domain(definition);
  CHECK_THAT(text, contains("bus=\"0x05\" slot=\"0x00\" function=\"0x0\" multifunction=\"on\""));
  CHECK_THAT(text, contains("bus=\"0x05\" slot=\"0x00\" function=\"0x1\""));
}

TEST_CASE("a document that libvirt completed is read the same") {
  const auto read = parse_domain(R"(<?xml version="1.0"?>
<domain type='kvm' id='3' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
  <name>gpu-worker-1</name>
  <uuid>3f2a6c1e-0d4b-4e57-9a11-2b6f5a0c7d10</uuid>
  <metadata>
    <other:owner xmlns:other="https://example.org/" cluster="not this"/>
    <o:owner xmlns:o="https://gpuplan.dev/owner/1" cluster="gpu" address="192.168.130.21"/>
  </metadata>
  <memory unit='KiB'>209715200</memory>
  <currentMemory unit='KiB'>209715200</currentMemory>
  <memoryBacking><hugepages><page size='1048576' unit='KiB'/></hugepages><locked/></memoryBacking>
  <vcpu placement='static' cpuset='0-23'>48</vcpu>
  <numatune><memory mode='preferred' nodeset='1'/></numatune>
  <os firmware='efi'><type arch='x86_64' machine='pc-q35-7.2'>hvm</type>
    <loader readonly='yes' type='pflash'>/usr/share/OVMF/OVMF_CODE_4M.fd</loader>
    <nvram template='/usr/share/OVMF/OVMF_VARS_4M.fd'>/var/lib/libvirt/qemu/nvram/gpu-worker-1_VARS.fd</nvram>
    <boot dev='hd'/></os>
  <devices>
    <disk type='file' device='disk'><driver name='qemu' type='qcow2' discard='unmap'/>
      <source file='/p/gpu-worker-1.qcow2' index='2'/><target dev='vda' bus='virtio'/></disk>
    <interface type='network'><mac address='52:54:00:aa:bb:01'/>
      <source network='gpu-k8s-net' portid='x' bridge='virbr1'/><model type='virtio'/></interface>
    <hostdev mode='subsystem' type='usb' managed='yes'><source/></hostdev>
    <hostdev mode='subsystem' type='pci' managed='no'><driver name='vfio'/>
      <source><address domain='0x0000' bus='0xc2' slot='0x1f' function='0x7'/></source></hostdev>
  </devices>
  <qemu:commandline><qemu:arg value='-fw_cfg'/>
    <qemu:arg value='name=opt/ovmf/X-PciMmio64Mb,string=2097152'/></qemu:commandline>
</domain>)");
  REQUIRE(read);
  CHECK(read->owner.cluster == "gpu");
  CHECK(read->node_address == "192.168.130.21");
  CHECK(read->memory_mib == 204800);
  CHECK(read->cpus == 48);
  CHECK(read->hugepages == "1G");
  CHECK(read->numa_node == 1);
  CHECK(read->firmware == "efi");
  CHECK(read->network == "gpu-k8s-net");
  CHECK(read->devices == std::vector<Bdf>{bdf("c2:1f.7")});
  CHECK(read->mmio64_window_mib == 2097152);
  CHECK(read->disks.at(0).path == "/p/gpu-worker-1.qcow2");
}

TEST_CASE("an old document with a loader instead of firmware='efi' is EFI") {
  const auto read =
      parse_domain("<domain type='kvm'><name>x</name><os><loader type='pflash'>/x</loader></os></domain>");
  REQUIRE(read);
  CHECK(read->firmware == "efi");
  CHECK(read->owner.cluster.empty());
}

TEST_CASE("what is not a domain document is nothing") {
  CHECK_FALSE(parse_domain(""));
  CHECK_FALSE(parse_domain("<network/>"));
  CHECK_FALSE(parse_domain("<domain"));
  CHECK_FALSE(parse_domain("not xml"));
}

TEST_CASE("malformed parts of a document are left out") {
  const auto read = parse_domain(
      "<domain><name>x</name><memory unit='parsec'>12</memory><vcpu>many</vcpu><devices>"
      "<hostdev type='pci'><source><address bus='0x100' slot='0x00' function='0x0'/></source></hostdev>"
      "<hostdev type='pci'><source/></hostdev></devices></domain>");
  REQUIRE(read);
  CHECK(read->memory_mib == 0);
  CHECK(read->cpus == 0);
  CHECK(read->devices.empty());
}

TEST_CASE("names are escaped") {
  DomainDefinition definition = one_gpu();
  definition.disks[0].path = "/srv/a&b<c>\"d'.qcow2";
  const auto read = parse_domain(render_domain(definition));
  REQUIRE(read);
  CHECK(read->disks.at(0).path == "/srv/a&b<c>\"d'.qcow2");
}

TEST_CASE("domain documents with sizes that no machine has are read without harm") {
  const auto sizes = [](const std::string& memory, const std::string& page) {
    return parse_domain("<domain type='kvm'><name>d</name>" + memory + "<memoryBacking><hugepages>" + page +
                        "</hugepages></memoryBacking></domain>");
  };
  const auto vast = sizes("<memory unit='TiB'>9223372036854775807</memory>", "<page size='9223372036854775807' unit='T'/>");
  REQUIRE(vast);
  CHECK(vast->memory_mib == 0);
  CHECK(vast->hugepages == "2M");
  const auto usual = sizes("<memory unit='GiB'>4</memory>", "<page size='1048576' unit='KiB'/>");
  REQUIRE(usual);
  CHECK(usual->memory_mib == 4096);
  CHECK(usual->hugepages == "1G");
}
