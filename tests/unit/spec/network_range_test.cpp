#include "spec/network_range.h"

#include "support/catch.h"

namespace gpuplan {

TEST_CASE("IPv4 addresses are four decimal numbers") {
  CHECK(parse_ipv4("192.168.130.10") == 0xC0A8820AU);
  CHECK(parse_ipv4("0.0.0.0") == 0U);
  CHECK(parse_ipv4("255.255.255.255") == 0xFFFFFFFFU);
  CHECK(format_ipv4(0xC0A8820AU) == "192.168.130.10");
  CHECK(format_ipv4(0) == "0.0.0.0");
  for (const char* text :
       {"", "1", "1.2.3", "1.2.3.4.5", "256.0.0.0", "1.2.3.256", "01.2.3.4", "1.2.3.010", "1.2.3.-4", "1..2.3",
        " 1.2.3.4", "1.2.3.4 ", "1.2.3.4\n", "0x1.2.3.4", "1.2.3.4/24", "::1", "1.2.3.1000"}) {
    INFO(text);
    CHECK_FALSE(parse_ipv4(text));
  }
}

TEST_CASE("ranges have no host bits") {
  const auto range = parse_ipv4_range("192.168.130.0/24");
  REQUIRE(range);
  CHECK(range->to_string() == "192.168.130.0/24");
  CHECK(range->netmask() == "255.255.255.0");
  CHECK(format_ipv4(range->last()) == "192.168.130.255");
  CHECK(parse_ipv4_range("0.0.0.0/0")->netmask() == "0.0.0.0");
  CHECK(parse_ipv4_range("0.0.0.0/0")->last() == 0xFFFFFFFFU);
  CHECK(parse_ipv4_range("10.0.0.1/32")->netmask() == "255.255.255.255");
  for (const char* text : {"", "10.0.0.0", "10.0.0.1/24", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/024", "10.0.0.0/-1",
                           "10.0.0.0/8 ", "10.0.0/8", "/8", "10.0.0.0/8/8", "::/0"}) {
    INFO(text);
    CHECK_FALSE(parse_ipv4_range(text));
  }
}

TEST_CASE("ranges know what is in them and what overlaps them") {
  const Ipv4Range range = *parse_ipv4_range("10.1.0.0/16");
  CHECK(range.contains(*parse_ipv4("10.1.0.0")));
  CHECK(range.contains(*parse_ipv4("10.1.255.255")));
  CHECK_FALSE(range.contains(*parse_ipv4("10.0.255.255")));
  CHECK_FALSE(range.contains(*parse_ipv4("10.2.0.0")));
  CHECK(range.overlaps(*parse_ipv4_range("10.0.0.0/8")));
  CHECK(range.overlaps(*parse_ipv4_range("10.1.7.0/24")));
  CHECK(range.overlaps(*parse_ipv4_range("0.0.0.0/0")));
  CHECK_FALSE(range.overlaps(*parse_ipv4_range("10.2.0.0/16")));
  CHECK_FALSE(parse_ipv4_range("10.2.0.0/16")->overlaps(range));
}

}  // namespace gpuplan
