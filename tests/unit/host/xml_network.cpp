// Network documents.
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "host/xml/domain_xml.h"
#include "support/catch.h"

using namespace gpuplan;

namespace {

NetworkDefinition nat_network() {
  NetworkDefinition definition;
  definition.name = "gpu-k8s-net";
  definition.owner.cluster = "gpu";
  definition.address = "192.168.130.1";
  definition.netmask = "255.255.255.0";
  return definition;
}

}  // namespace

TEST_CASE("a network document is as recorded") {
  const std::string path = std::string(GPUPLAN_SOURCE_DIR) + "/tests/golden/xml/nat-network.xml";
  const std::string text = render_network(nat_network());
  if (std::getenv("GPUPLAN_ACCEPT") != nullptr) std::ofstream(path) << text;
  std::ifstream file(path);
  std::ostringstream expected;
  expected << file.rdbuf();
  REQUIRE(text == expected.str());
}

TEST_CASE("a network is read back") {
  NetworkDefinition definition = nat_network();
  definition.uuid = "0b8f3d5c-7a4e-4c2d-8a57-1c1b7f0a9e42";
  definition.reservations = {{"52:54:00:aa:bb:01", "gpu-worker-1", "192.168.130.21"}};
  const auto read = parse_network(render_network(definition));
  REQUIRE(read);
  CHECK(read->name == "gpu-k8s-net");
  CHECK(read->uuid == definition.uuid);
  CHECK(read->owner.cluster == "gpu");
  CHECK(read->mode == "nat");
  CHECK(read->address == "192.168.130.1");
  CHECK(read->netmask == "255.255.255.0");
  REQUIRE(read->reservations.size() == 1);
  CHECK(read->reservations[0].mac == "52:54:00:aa:bb:01");
  CHECK(read->reservations[0].name == "gpu-worker-1");
  CHECK(read->reservations[0].address == "192.168.130.21");
}

TEST_CASE("networks of others") {
  SECTION("a prefix instead of a netmask, IPv6 first") {
    const auto read = parse_network(
        "<network><name>default</name><forward mode='nat'/><ip family='ipv6' address='fd00::1' prefix='64'/>"
        "<ip address='192.168.122.1' prefix='24'/></network>");
    REQUIRE(read);
    CHECK(read->address == "192.168.122.1");
    CHECK(read->netmask == "255.255.255.0");
    CHECK(read->owner.cluster.empty());
  }
  SECTION("isolated, without a range") {
    const auto read = parse_network("<network><name>quiet</name></network>");
    REQUIRE(read);
    CHECK(read->mode == "isolated");
    CHECK(read->address.empty());
    CHECK(read->netmask.empty());
  }
  SECTION("forward without a mode means nat") {
    CHECK(parse_network("<network><name>n</name><forward/></network>")->mode == "nat");
    CHECK(parse_network("<network><name>n</name><forward mode='bridge'/></network>")->mode == "bridge");
  }
  SECTION("not a network") {
    CHECK_FALSE(parse_network("<domain/>"));
    CHECK_FALSE(parse_network("<network"));
  }
}
