#include "plugin/address.h"

#include <stdexcept>
#include <unordered_set>

#include "support/catch.h"

using namespace gpuplan;

TEST_CASE("address: two parts") {
  const Address address("vfio-bind", "0000:0a:00.0");
  CHECK(address.to_string() == "vfio-bind/0000:0a:00.0");
  CHECK(address.kind() == "vfio-bind");
  CHECK(address.name() == "0000:0a:00.0");
  CHECK(Address::parse("vfio-bind/0000:0a:00.0") == address);
  CHECK(std::unordered_set<Address>{address, address}.size() == 1);
  CHECK(Address("a", "b") < Address("a", "c"));
}

TEST_CASE("address: an empty one has empty parts") {
  CHECK(Address().empty());
  CHECK(Address().kind().empty());
  CHECK(Address().name().empty());
}

TEST_CASE("address: malformed") {
  for (const char* text :
       {"", "/", "a/", "/b", "vfio", "Vfio/x", "vfio_bind/x", "a/b/c", "a/b c", "a/b\n", "a/\xc3\xa4"}) {
    INFO(text);
    CHECK_FALSE(Address::parse(text));
  }
  CHECK(Address::parse("a/" + std::string(128, 'x')));
  CHECK_FALSE(Address::parse("a/" + std::string(129, 'x')));
  CHECK_THROWS_AS(Address("A", "b"), std::invalid_argument);
}
