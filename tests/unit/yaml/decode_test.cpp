#include "yaml/decode.h"

#include "support/catch.h"
#include "yaml/parse.h"

namespace gpuplan {
namespace {

YamlNode node_of(const std::string& text) {
  Diagnostics diagnostics;
  YamlNode node = parse_yaml(std::make_shared<SourceFile>(SourceFile{"f.yaml", text}), diagnostics);
  REQUIRE_FALSE(diagnostics.has_errors());
  return node;
}

std::string texts(const Diagnostics& diagnostics) {
  std::string out;
  for (const Diagnostic& diagnostic : diagnostics.items()) {
    out += diagnostic.where->to_string() + " " + diagnostic.summary;
    if (!diagnostic.remedy.empty()) out += " | " + diagnostic.remedy;
    out += "\n";
  }
  return out;
}

}  // namespace

TEST_CASE("whole numbers are decimal, plain and in range") {
  Diagnostics diagnostics;
  CHECK(decode_int(node_of("0"), "x", diagnostics) == 0);
  CHECK(decode_int(node_of("-5"), "x", diagnostics) == -5);
  CHECK(decode_int(node_of("9223372036854775807"), "x", diagnostics) == 9223372036854775807);
  CHECK(decode_int(node_of("7"), "x", diagnostics, 7, 7) == 7);
  CHECK(texts(diagnostics).empty());
  for (const char* text :
       {"+1", "01", "0x10", "1.0", "1e3", "1_000", "--1", "-", "a", "'1'", "[1]", "{}", "~", "'a'"}) {
    INFO(text);
    CHECK_FALSE(decode_int(node_of(text), "x", diagnostics));
  }
  CHECK(diagnostics.error_count() == 14);
  Diagnostics ranged;
  CHECK_FALSE(decode_int(node_of("8"), "x", ranged, 1, 7));
  CHECK_FALSE(decode_int(node_of("0"), "x", ranged, 1));
  CHECK_FALSE(decode_int(node_of("9223372036854775808"), "x", ranged));
  CHECK_FALSE(decode_int(node_of("'5'"), "x", ranged));
  CHECK_FALSE(decode_int(node_of("[5]"), "x", ranged));
  CHECK(texts(ranged) ==
        "f.yaml:1:1 x must be 1 to 7, not \"8\" | choose a number in these bounds\n"
        "f.yaml:1:1 x must be at least 1, not \"0\" | choose a number in these bounds\n"
        "f.yaml:1:1 x must be a whole number of at most 64 bits, not \"9223372036854775808\" | check its digits\n"
        "f.yaml:1:1 x must be a whole number, not \"5\" | write it without quotes\n"
        "f.yaml:1:1 x must be a whole number, not a list | write plain digits, such as 16\n");
}

TEST_CASE("true and false are the only booleans") {
  Diagnostics diagnostics;
  CHECK(decode_bool(node_of("true"), "x", diagnostics) == true);
  CHECK(decode_bool(node_of("FALSE"), "x", diagnostics) == false);
  CHECK(texts(diagnostics).empty());
  for (const char* text : {"yes", "on", "1", "'true'", "[]", "~", "tRue"}) {
    INFO(text);
    CHECK_FALSE(decode_bool(node_of(text), "x", diagnostics));
  }
  CHECK(diagnostics.error_count() == 7);
}

TEST_CASE("durations have a unit") {
  Diagnostics diagnostics;
  CHECK(decode_duration(node_of("90s"), "x", diagnostics) == 90);
  CHECK(decode_duration(node_of("15m"), "x", diagnostics) == 900);
  CHECK(decode_duration(node_of("'2h'"), "x", diagnostics) == 7200);
  CHECK(decode_duration(node_of("0s"), "x", diagnostics) == 0);
  CHECK(texts(diagnostics).empty());
  for (const char* text :
       {"90", "s", "1d", "1.5h", "-1s", "1 m", "1M", "", "[1s]", "99999999999999999999s", "277778h"}) {
    INFO(text);
    CHECK_FALSE(decode_duration(node_of(text), "x", diagnostics));
  }
  CHECK(diagnostics.error_count() == 11);
  CHECK_THAT(texts(diagnostics),
             contains("x must be a duration such as 90s, 15m or 2h, not \"90\" | add the unit: 90s"));
  Diagnostics bounded;
  CHECK(decode_duration(node_of("24h"), "x", bounded, 1, 86'400) == 86'400);
  CHECK_FALSE(decode_duration(node_of("0s"), "x", bounded, 1, 86'400));
  CHECK_FALSE(decode_duration(node_of("99999999999999999999h"), "x", bounded, 90, 900));
  CHECK(texts(bounded) ==
        "f.yaml:1:1 x must be a duration from 1s to 24h, not \"0s\" | choose a time in these bounds\n"
        "f.yaml:1:1 x must be a duration from 90s to 15m, not \"99999999999999999999h\" | "
        "choose a time in these bounds\n");
}

TEST_CASE("texts are any scalar, lists of texts lists of such") {
  Diagnostics diagnostics;
  CHECK(decode_string(node_of("1.30"), "x", diagnostics) == "1.30");
  CHECK(decode_string(node_of("''"), "x", diagnostics) == "");
  CHECK(decode_string_list(node_of("[a, 1, 'b c']"), "x", diagnostics) == std::vector<std::string>{"a", "1", "b c"});
  CHECK(decode_string_list(node_of("[]"), "x", diagnostics)->empty());
  CHECK(texts(diagnostics).empty());
  CHECK_FALSE(decode_string(node_of("[a]"), "x", diagnostics));
  CHECK_FALSE(decode_string(node_of("~"), "x", diagnostics));
  CHECK_FALSE(decode_string_list(node_of("a"), "x", diagnostics));
  CHECK_FALSE(decode_string_list(node_of("[a, [b], ~]"), "x", diagnostics));
  CHECK(texts(diagnostics) ==
        "f.yaml:1:1 x must be a text, not a list | write a single value\n"
        "f.yaml:1:1 x must be a text, not nothing | write a single value\n"
        "f.yaml:1:1 x must be a list of texts, not \"a\" | write [\"a\"]\n"
        "f.yaml:1:5 x[1] must be a text, not a list | write a single value\n"
        "f.yaml:1:10 x[2] must be a text, not nothing | write a single value\n");
}

TEST_CASE("a mapping is read key by key, and what is left over is unknown") {
  Diagnostics diagnostics;
  MappingDecoder decoder(
      node_of("name: n\non: true\ncount: 3\nwait: 2m\nlist: [a]\nmode: nat\nempty:\nmoode: x\nzzz: 1\n"), "s",
      diagnostics);
  REQUIRE(decoder.valid());
  std::string name, mode, untouched = "before";
  bool on = false;
  std::int64_t count = 0, wait = 0;
  std::vector<std::string> list;
  decoder.string("name", name);
  decoder.boolean("on", on);
  decoder.integer("count", count, 1, 5);
  decoder.duration("wait", wait);
  decoder.string_list("list", list);
  decoder.choice("mode", mode, {"nat", "bridge"});
  decoder.string("empty", untouched);
  decoder.string("absent", untouched);
  CHECK(decoder.node("empty") == nullptr);
  CHECK(decoder.node("mode")->text() == "nat");
  CHECK(decoder.path("mode") == "s.mode");
  decoder.finish();
  CHECK(name == "n");
  CHECK(on);
  CHECK(count == 3);
  CHECK(wait == 120);
  CHECK(list == std::vector<std::string>{"a"});
  CHECK(mode == "nat");
  CHECK(untouched == "before");
  CHECK(texts(diagnostics) ==
        "f.yaml:8:1 unknown key \"moode\" in s | did you mean \"mode\"?\n"
        "f.yaml:9:1 unknown key \"zzz\" in s | known keys here: absent, count, empty, list, mode, name, on, wait\n");
}

TEST_CASE("wrong members leave their target as it is") {
  Diagnostics diagnostics;
  MappingDecoder decoder(node_of("a: [1]\nb: 9\nc: brigde\nD: 1\n"), "", diagnostics);
  std::string text = "before", choice = "nat";
  std::int64_t number = 2;
  decoder.string("a", text);
  decoder.integer("b", number, 1, 5);
  decoder.choice("c", choice, {"nat", "bridge", "none"});
  decoder.node("d");
  decoder.finish();
  CHECK(text == "before");
  CHECK(number == 2);
  CHECK(choice == "nat");
  CHECK(texts(diagnostics) ==
        "f.yaml:1:4 a must be a text, not a list | write a single value\n"
        "f.yaml:2:4 b must be 1 to 5, not \"9\" | choose a number in these bounds\n"
        "f.yaml:3:4 c must be nat, bridge or none, not \"brigde\" | did you mean \"bridge\"?\n"
        "f.yaml:4:1 unknown key \"D\" | did you mean \"d\"?\n");
}

TEST_CASE("a mapping of another type is one error") {
  Diagnostics diagnostics;
  MappingDecoder wrong(node_of("[a]"), "s", diagnostics);
  CHECK_FALSE(wrong.valid());
  CHECK(wrong.node("a") == nullptr);
  wrong.finish();
  MappingDecoder absent(YamlNode(), "t", diagnostics);
  CHECK(absent.valid());
  absent.finish();
  CHECK(texts(diagnostics) == "f.yaml:1:1 s must be a mapping, not a list | write its keys as lines KEY: VALUE\n");
}

TEST_CASE("a boolean in other words is told the word") {
  Diagnostics diagnostics;
  for (const char* text : {"yes", "OFF", "tRue", "'true'", "maybe", "[]"}) decode_bool(node_of(text), "x", diagnostics);
  CHECK(texts(diagnostics) ==
        "f.yaml:1:1 x must be true or false, not \"yes\" | write true\n"
        "f.yaml:1:1 x must be true or false, not \"OFF\" | write false\n"
        "f.yaml:1:1 x must be true or false, not \"tRue\" | write true\n"
        "f.yaml:1:1 x must be true or false, not \"true\" | write it without quotes\n"
        "f.yaml:1:1 x must be true or false, not \"maybe\" | write one of them\n"
        "f.yaml:1:1 x must be true or false, not a list | write one of them\n");
}

TEST_CASE("keys in messages are as short as other texts") {
  Diagnostics diagnostics;
  const std::string key(100'000, 'k');
  MappingDecoder decoder(node_of("? " + key + "\n: [1]\nzzz: 1\n"), "s", diagnostics);
  std::string text;
  decoder.string(key, text);
  decoder.finish();
  CHECK(diagnostics.error_count() == 2);
  CHECK(texts(diagnostics).size() < 400);
}

TEST_CASE("quoted texts in messages have a bounded length and whole characters") {
  CHECK(quote("a") == "\"a\"");
  CHECK(quote(std::string(60, 'a')) == "\"" + std::string(60, 'a') + "\"");
  CHECK(quote(std::string(61, 'a')) == "\"" + std::string(60, 'a') + "…\"");
  CHECK(quote(std::string(59, 'a') + "€€") == "\"" + std::string(59, 'a') + "…\"");
}

}  // namespace gpuplan
