#include "plugin/value.h"

#include "support/catch.h"
#include "unit/plugin/values.h"

using namespace gpuplan;

namespace {

std::string value_error(const Json& json) {
  try {
    value_from_json(json);
  } catch (const JsonError& error) {
    return error.what();
  }
  return "nothing was thrown";
}

}  // namespace

TEST_CASE("value: JSON and back") {
  for (const Value& value :
       {Value(), Value(true), Value(std::int64_t{-5}), Value(std::string("nvidia")), list({"a", "b"}), list({})}) {
    CHECK(value_from_json(to_json(value)) == value);
  }
  CHECK(to_json(Value()).dump() == "null");
  CHECK(to_json(list({})).dump() == "[]");
  CHECK(to_json(list({"a", "b"})).dump() == R"(["a","b"])");
}

TEST_CASE("value: shapes that no value has") {
  CHECK(value_error(1.5) == "a value is a boolean, a whole number, a text or a list of texts, not a fraction");
  CHECK(value_error(Json::object()) == "a value is a boolean, a whole number, a text or a list of texts, not an object");
  CHECK(value_error(Json::array({1})) == "a list of texts is needed, but it holds number");
  CHECK(value_error(18446744073709551615U) == "18446744073709551615 is too large for a value");
  CHECK(value_from_json(9223372036854775807) == Value(std::int64_t{9223372036854775807}));
}

TEST_CASE("value: text for people") {
  CHECK(to_text(Value()) == "(none)");
  CHECK(to_text(Value(false)) == "false");
  CHECK(to_text(Value(std::int64_t{8192})) == "8192");
  CHECK(to_text(Value(std::string("nvidia"))) == "nvidia");
  CHECK(to_text(Value(std::string())) == "\"\"");
  CHECK(to_text(Value(std::string("a\033[31m\n"))) == "a\\x1b[31m\\x0a");
  CHECK(to_text(list({"a", "b"})) == "[a, b]");
  CHECK(to_text(list({})) == "[]");
}

TEST_CASE("attributes: ordered by name, set once each") {
  Attributes attributes{{"memory", std::int64_t{1}}, {"driver", std::string("nvidia")}};
  attributes.set("memory", std::int64_t{2});
  attributes.set("cpus", std::int64_t{4});
  CHECK(attributes.size() == 3);
  std::string names;
  for (const auto& [name, value] : attributes) names += name + " ";
  CHECK(names == "cpus driver memory ");
  CHECK(attributes.number("memory") == 2);
  attributes.erase("cpus");
  attributes.erase("nothing");
  CHECK_FALSE(attributes.find("cpus"));
  REQUIRE(attributes.find("driver"));
  CHECK(*attributes.find("driver") == Value(std::string("nvidia")));
}

TEST_CASE("attributes: typed access falls back for another type") {
  const Attributes attributes{{"n", std::int64_t{1}}, {"t", std::string("x")}, {"b", true}, {"l", list({"i"})}};
  CHECK(attributes.text("t") == "x");
  CHECK(attributes.text("n", "fallback") == "fallback");
  CHECK(attributes.number("n") == 1);
  CHECK(attributes.number("t", 7) == 7);
  CHECK(attributes.flag("b"));
  CHECK(attributes.flag("missing", true));
  CHECK(attributes.list("l") == std::vector<std::string>{"i"});
  CHECK(attributes.list("t").empty());
}

TEST_CASE("attributes: JSON and back") {
  const Attributes attributes{{"n", std::int64_t{1}}, {"none", Value()}, {"l", list({"i"})}};
  CHECK(to_json(attributes).dump() == R"({"l":["i"],"n":1,"none":null})");
  CHECK(attributes_from_json(to_json(attributes)) == attributes);
  CHECK_THROWS_AS(attributes_from_json(Json::array()), JsonError);
}
