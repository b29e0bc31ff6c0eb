// The documents that gpuplan renders, through libvirt's own parser and back: the schema alone accepts more than that.
#include <filesystem>
#include <map>
#include <regex>

#include "host/libvirt/libvirt_hypervisor.h"
#include "host/xml/domain_xml.h"
#include "support/catch.h"
#include "support/host_files.h"

using namespace gpuplan;

namespace {

// Names of the golden documents that begin so, with their text.
std::map<std::string, std::string> documents(const std::string& element) {
  std::map<std::string, std::string> found;
  for (const auto& entry : std::filesystem::directory_iterator(GPUPLAN_SOURCE_DIR "/tests/golden/xml")) {
    const std::string text = content_of(entry.path());
    if (text.rfind("<" + element, 0) == 0) found[entry.path().filename()] = text;
  }
  REQUIRE_FALSE(found.empty());
  return found;
}

std::string places(const DomainDefinition& definition) {
  std::string text;
  for (const GuestBus& place : definition.guest_buses) text += place.slot.to_string() + "@" + std::to_string(place.bus) + " ";
  return text;
}

}  // namespace

TEST_CASE("libvirt takes every golden domain, and gives back what stands in it") {
  for (const auto& [name, text] : documents("domain")) {
    INFO(name);
    const auto written = parse_domain(text);
    REQUIRE(written);
    const auto libvirt = make_libvirt_hypervisor("test:///default", "");
    // The test driver knows no other type.
    libvirt->define_domain(std::regex_replace(text, std::regex("^<domain type=\"[a-z]*\""), "<domain type=\"test\""));
    const auto state = libvirt->domain(written->name);
    REQUIRE(state);
    const auto read = parse_domain(state->xml);
    REQUIRE(read);
    CHECK(read->owner == written->owner);
    CHECK(read->memory_mib == written->memory_mib);
    CHECK(read->cpus == written->cpus);
    CHECK(read->cpu_list == written->cpu_list);
    CHECK(read->hugepages == written->hugepages);
    CHECK(read->firmware == written->firmware);
    CHECK(read->physical_address_bits == written->physical_address_bits);
    CHECK(read->devices == written->devices);
    CHECK(places(*read) == places(*written));
    CHECK(read->disks.size() == written->disks.size());
    CHECK(read->mac == written->mac);
    CHECK(read->console_log == written->console_log);
  }
}

TEST_CASE("libvirt takes every golden network, and gives back what stands in it") {
  for (const auto& [name, text] : documents("network")) {
    INFO(name);
    const auto written = parse_network(text);
    REQUIRE(written);
    const auto libvirt = make_libvirt_hypervisor("test:///default", "");
    libvirt->define_network(text);
    const auto state = libvirt->network(written->name);
    REQUIRE(state);
    const auto read = parse_network(state->xml);
    REQUIRE(read);
    CHECK(read->mode == written->mode);
    CHECK(read->address == written->address);
    CHECK(read->netmask == written->netmask);
    REQUIRE(read->reservations.size() == written->reservations.size());
    for (std::size_t i = 0; i < read->reservations.size(); ++i) {
      CHECK(read->reservations[i].address == written->reservations[i].address);
      CHECK(read->reservations[i].mac == written->reservations[i].mac);
    }
  }
}
