#include "host/xml/storage_xml.h"
#include "support/catch.h"

using namespace gpuplan;

TEST_CASE("a storage pool is a directory") {
  REQUIRE(render_pool("gpuplan", "/var/lib/gpuplan/images") ==
          "<pool type=\"dir\">\n"
          "  <name>gpuplan</name>\n"
          "  <target>\n"
          "    <path>/var/lib/gpuplan/images</path>\n"
          "  </target>\n"
          "</pool>\n");
  REQUIRE(parse_pool_path(render_pool("a&b", "/x/<y>")) == "/x/<y>");
  REQUIRE_FALSE(parse_pool_path("<volume/>"));
  REQUIRE_FALSE(parse_pool_path("not xml"));
}

TEST_CASE("a volume on a backing file names the format of both") {
  VolumeDefinition definition;
  definition.name = "gpu-worker-1.qcow2";
  definition.capacity_bytes = 536'870'912'000;
  definition.backing_path = "/images/base & more.img";
  definition.backing_format = "qcow2";
  const std::string xml = render_volume(definition);
  REQUIRE(xml ==
          "<volume>\n"
          "  <name>gpu-worker-1.qcow2</name>\n"
          "  <capacity unit=\"bytes\">536870912000</capacity>\n"
          "  <target>\n"
          "    <format type=\"qcow2\" />\n"
          "  </target>\n"
          "  <backingStore>\n"
          "    <path>/images/base &amp; more.img</path>\n"
          "    <format type=\"qcow2\" />\n"
          "  </backingStore>\n"
          "</volume>\n");
  const auto parsed = parse_volume(xml);
  REQUIRE(parsed);
  REQUIRE(parsed->name == definition.name);
  REQUIRE(parsed->format == "qcow2");
  REQUIRE(parsed->capacity_bytes == definition.capacity_bytes);
  REQUIRE(parsed->backing_path == definition.backing_path);
  REQUIRE(parsed->backing_format == "qcow2");
}

TEST_CASE("a volume without a backing file has none in its document") {
  VolumeDefinition definition;
  definition.name = "seed.iso";
  definition.format = "raw";
  definition.capacity_bytes = 1;
  REQUIRE(render_volume(definition).find("backingStore") == std::string::npos);
  REQUIRE(parse_volume(render_volume(definition))->backing_path.empty());
  REQUIRE_FALSE(parse_volume("<pool/>"));
  REQUIRE_FALSE(parse_volume("<volume"));
}
