#include "json/json.h"

#include "support/catch.h"

namespace gpuplan {
namespace {

std::string error_of(const std::string& text) {
  try {
    parse_json(text, "output of helm");
  } catch (const JsonError& error) {
    return error.what();
  }
  return "no error";
}

}  // namespace

TEST_CASE("JSON is parsed, and errors name origin and place") {
  CHECK(parse_json("{\"b\": 1, \"a\": [true, null, \"x\"]}", "x").dump() == "{\"a\":[true,null,\"x\"],\"b\":1}");
  CHECK(error_of("") == "output of helm: not valid JSON at byte 1");
  CHECK(error_of("{\"a\": }") == "output of helm: not valid JSON at byte 7");
  CHECK(error_of("[1] x") == "output of helm: not valid JSON at byte 5");
  CHECK_THAT(error_of("\"\xff\""), contains("not valid JSON"));
}

TEST_CASE("JSON of hostile depth is refused, brackets in texts are none") {
  CHECK(error_of(std::string(100'000, '[')) == "output of helm: JSON nested deeper than 200 levels");
  CHECK(error_of(std::string(200, '[') + std::string(200, ']')) == "no error");
  CHECK(error_of("\"" + std::string(300, '[') + "\"") == "no error");
  CHECK(error_of("\"\\\"" + std::string(300, '{') + "\"") == "no error");
}

TEST_CASE("JSON becomes block-style YAML") {
  const Json value = parse_json(
      R"({"b": [1, {"c": "x", "d": [[1, 2], []]}, {}], "a": {"e": null, "f": 1.5, "g": "line\n\"quoted\"", "key: x": true}})",
      "x");
  CHECK(to_yaml(value) ==
        "\"a\":\n"
        "  \"e\": null\n"
        "  \"f\": 1.5\n"
        "  \"g\": \"line\\n\\\"quoted\\\"\"\n"
        "  \"key: x\": true\n"
        "\"b\":\n"
        "  - 1\n"
        "  - \"c\": \"x\"\n"
        "    \"d\":\n"
        "      - - 1\n"
        "        - 2\n"
        "      - []\n"
        "  - {}\n");
  CHECK(to_yaml(Json("x")) == "\"x\"\n");
  CHECK(to_yaml(Json::object()) == "{}\n");
}

TEST_CASE("lenient readers answer with the fallback") {
  const Json value = parse_json(R"({"a": {"t": "x", "n": 3, "b": true, "l": [1, {"k": "v"}]}})", "x");
  CHECK(string_at(value, "/a/t") == "x");
  CHECK(string_at(value, "/a/n", "f") == "f");
  CHECK(string_at(value, "/a/l/1/k") == "v");
  CHECK(string_at(value, "/a/l/9/k", "f") == "f");
  CHECK(string_at(value, "/a/l/x/k", "f") == "f");
  CHECK(int_at(value, "/a/n") == 3);
  CHECK(int_at(value, "/a/t", 7) == 7);
  CHECK(bool_at(value, "/a/b"));
  CHECK(bool_at(value, "/nothing", true));
  CHECK(member_at(value, "/a/nothing").is_null());
  CHECK(member_at(Json(1), "/a").is_null());
}

}  // namespace gpuplan
