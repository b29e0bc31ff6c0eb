#include "spec/bdf.h"

#include "support/catch.h"

namespace gpuplan {

TEST_CASE("PCI addresses have a long and a short form in either case") {
  CHECK(parse_bdf("0000:0a:00.0")->to_string() == "0000:0a:00.0");
  CHECK(parse_bdf("0A:00.0")->to_string() == "0000:0a:00.0");
  CHECK(parse_bdf("FFFF:fF:1f.7")->to_string() == "ffff:ff:1f.7");
  CHECK(parse_bdf("0001:00:00.0")->domain == 1);
  CHECK(parse_bdf("0a:00.0") == parse_bdf("0000:0A:00.0"));
}

TEST_CASE("anything else is no PCI address") {
  for (const char* text : {"",
                           "0a",
                           "0a:00",
                           "0a:00.",
                           "0a:00.8",
                           "0a:20.0",
                           "0g:00.0",
                           " 0a:00.0",
                           "0a:00.0 ",
                           "0a:00.0\n",
                           "a:00.0",
                           "0a:0.0",
                           "0a:00.00",
                           "000:0a:00.0",
                           "00000:0a:00.0",
                           "0000-0a:00.0",
                           "0000:0a-00.0",
                           "0000:0a:00:0",
                           "10000:0a:00.0",
                           "0x0a:00.0",
                           "+a:00.0",
                           "0a:-1.0",
                           "pci_0000_0a_00_0"}) {
    INFO(text);
    CHECK_FALSE(parse_bdf(text));
  }
  CHECK_FALSE(parse_bdf(std::string_view("0a:00.\0", 7)));
}

TEST_CASE("PCI addresses are ordered and know their slot") {
  CHECK(*parse_bdf("0a:00.0") < *parse_bdf("0a:00.1"));
  CHECK(*parse_bdf("0a:01.0") < *parse_bdf("0b:00.0"));
  CHECK(*parse_bdf("ff:1f.7") < *parse_bdf("0001:00:00.0"));
  CHECK(parse_bdf("0a:00.0")->same_slot(*parse_bdf("0a:00.7")));
  CHECK_FALSE(parse_bdf("0a:00.0")->same_slot(*parse_bdf("0a:01.0")));
  CHECK_FALSE(parse_bdf("0a:00.0")->same_slot(*parse_bdf("0001:0a:00.0")));
}

}  // namespace gpuplan
