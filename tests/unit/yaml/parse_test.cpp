#include "yaml/parse.h"

#include <ctime>

#include "support/catch.h"

namespace gpuplan {
namespace {

struct Parsed {
  YamlNode root;
  Diagnostics diagnostics;
  std::string rendered;
};

Parsed parse(const std::string& text, const YamlLimits& limits = {}) {
  Parsed parsed;
  parsed.root = parse_yaml(std::make_shared<SourceFile>(SourceFile{"f.yaml", text}), parsed.diagnostics, limits);
  for (const Diagnostic& diagnostic : parsed.diagnostics.items()) parsed.rendered += render(diagnostic, false);
  return parsed;
}

std::string place(const SourceLocation& where) {
  return std::to_string(where.line) + ":" + std::to_string(where.column) + "+" + std::to_string(where.length);
}

// The first line of the only diagnostic.
std::string only_problem(const std::string& text) {
  const Parsed parsed = parse(text);
  CHECK(parsed.diagnostics.items().size() == 1);
  return parsed.rendered.substr(0, parsed.rendered.find('\n'));
}

std::string repeat(const std::string& text, std::size_t size) {
  std::string out;
  while (out.size() < size) out += text;
  return out;
}

}  // namespace

TEST_CASE("scalars know their text, their quoting and their place") {
  const Parsed parsed = parse("a: 1\nb: \"1\"\nc: 'it''s'\nd: |\n  x\n  y\ne: two words # and a comment\n");
  REQUIRE(parsed.rendered.empty());
  const YamlNode& root = parsed.root;
  REQUIRE(root.is_mapping());
  CHECK(root.find("a")->text() == "1");
  CHECK(root.find("a")->is_plain());
  CHECK(place(root.find("a")->where()) == "1:4+1");
  CHECK(root.find("b")->text() == "1");
  CHECK_FALSE(root.find("b")->is_plain());
  CHECK(place(root.find("b")->where()) == "2:4+3");
  CHECK(root.find("c")->text() == "it's");
  CHECK(place(root.find("c")->where()) == "3:4+7");
  CHECK(root.find("d")->text() == "x\ny\n");
  CHECK(root.find("e")->text() == "two words");
  CHECK(place(root.find("e")->where()) == "7:4+9");
  CHECK(root.find("f") == nullptr);
}

TEST_CASE("null is what is absent, empty, ~ or null without quotes") {
  const Parsed parsed = parse("a:\nb: ~\nc: null\nd: NULL\ne: ''\nf: \"null\"\ng: [~, x]\n");
  for (const char* key : {"a", "b", "c", "d"}) {
    INFO(key);
    CHECK(parsed.root.find(key)->is_null());
  }
  CHECK(parsed.root.find("e")->is_scalar());
  CHECK(parsed.root.find("f")->text() == "null");
  CHECK(parsed.root.find("g")->items().at(0).is_null());
  CHECK(place(parsed.root.find("a")->where()) == "1:1+1");
}

TEST_CASE("an absent list item stands at its dash") {
  const Parsed parsed = parse("a:\n  - x\n  -\n\n  # comment\n  - y\n  -\n");
  const auto& items = parsed.root.find("a")->items();
  REQUIRE(items.size() == 4);
  CHECK(place(items[1].where()) == "3:3+1");
  CHECK(place(items[3].where()) == "7:3+1");
}

TEST_CASE("columns count characters, whatever the bytes and the line ends") {
  const Parsed parsed = parse("\xEF\xBB\xBF\"ä€😀\": {b: x, c: y}\r\nd:\r\n  - z\r\n");
  REQUIRE(parsed.rendered.empty());
  const YamlNode::Entry& entry = parsed.root.entries().at(0);
  CHECK(entry.key == "ä€😀");
  CHECK(place(entry.key_where) == "1:1+5");
  CHECK(place(entry.value.find("b")->where()) == "1:12+1");
  CHECK(place(entry.value.find("c")->where()) == "1:18+1");
  CHECK(place(parsed.root.find("d")->items().at(0).where()) == "3:5+1");
  CHECK(parsed.root.find("d")->items().at(0).text() == "z");
}

TEST_CASE("an empty document is null without an error") {
  for (const char* text : {"", "\n", "# comment\n", "---\n", "\xEF\xBB\xBF", "...\n"}) {
    INFO(text);
    const Parsed parsed = parse(text);
    CHECK(parsed.root.is_null());
    CHECK(parsed.rendered.empty());
  }
}

TEST_CASE("large mappings find their keys") {
  std::string text;
  for (int i = 0; i < 100; ++i) text += "k" + std::to_string(i) + ": v" + std::to_string(i) + "\n";
  const Parsed parsed = parse(text);
  REQUIRE(parsed.root.entries().size() == 100);
  CHECK(parsed.root.find("k0")->text() == "v0");
  CHECK(parsed.root.find("k99")->text() == "v99");
  CHECK(parsed.root.find("k100") == nullptr);
}

TEST_CASE("what is not supported is said where it stands") {
  CHECK(only_problem("a: &x 1\n") == "f.yaml:1:4: error: anchors (&NAME) are not supported here");
  CHECK(only_problem("a: *x\n") == "f.yaml:1:4: error: aliases (*NAME) are not supported here");
  CHECK(only_problem("b: 1\n<<: {a: 1}\n") == "f.yaml:2:1: error: merge keys (<<) are not supported here");
  CHECK(only_problem("a: !x 1\n") == "f.yaml:1:4: error: the tag \"!x\" is not supported here");
  CHECK(only_problem("a: !!int 1\n") == "f.yaml:1:4: error: the tag \"!!int\" is not supported here");
  CHECK(only_problem("[a]: 1\n") == "f.yaml:1:1: error: a key must be a plain text, not a list");
  CHECK(only_problem("? {a: b}\n: c\n") == "f.yaml:1:3: error: a key must be a plain text, not a mapping");
  CHECK(only_problem("~: 1\n") == "f.yaml:1:1: error: a key is missing before ':'");
  CHECK(only_problem("a: 1\n--- \nb: 1\n") == "f.yaml:2:1: error: a second document begins here");
  CHECK(only_problem("a: 1\n...\nb: 1\n") == "f.yaml:3:1: error: unexpected text after the end of the document");
}

TEST_CASE("a key that stands twice keeps its first value") {
  const Parsed parsed = parse("a: 1\nb: {c: 1, c: 2, c: 3}\na: {x: 1}\n\"a\": 4\n");
  CHECK(parsed.rendered ==
        "f.yaml:2:11: error: the key \"c\" stands here twice; first in line 2\n"
        "    b: {c: 1, c: 2, c: 3}\n"
        "              ^\n"
        "  next: remove one of them\n"
        "f.yaml:2:17: error: the key \"c\" stands here twice; first in line 2\n"
        "    b: {c: 1, c: 2, c: 3}\n"
        "                    ^\n"
        "  next: remove one of them\n"
        "f.yaml:3:1: error: the key \"a\" stands here twice; first in line 1\n"
        "    a: {x: 1}\n"
        "    ^\n"
        "  next: remove one of them\n"
        "f.yaml:4:1: error: the key \"a\" stands here twice; first in line 1\n"
        "    \"a\": 4\n"
        "    ^~~\n"
        "  next: remove one of them\n");
  CHECK(parsed.root.find("a")->text() == "1");
  CHECK(parsed.root.entries().size() == 2);
}

TEST_CASE("what yaml-cpp 0.7 lets pass is an error all the same") {
  CHECK(only_problem("a: \"x\nb: 1\n") ==
        "f.yaml:1:4: error: a quoted text is not closed before the end of the file");
  CHECK(only_problem("a: 1\nb\n") == "f.yaml:2:1: error: \"b\" is not followed by ':'");
  CHECK(only_problem("a: [x") == "f.yaml:1:4: error: a list in brackets is not closed before the end of the file");
}

TEST_CASE("syntax errors have words and places of our own") {
  CHECK(only_problem("a: [0, 1\nb: 2\n") == "f.yaml:1:4: error: a list in brackets is not closed before line 2");
  CHECK(only_problem("a: {x: 1\nb: 2\n") == "f.yaml:1:4: error: a mapping in braces is not closed before line 2");
  CHECK(only_problem("a:\n\tb: 1\n") == "f.yaml:2:1: error: a tab in the indentation");
  CHECK(only_problem("a:\n  b: 1\n \t c: 1\n") == "f.yaml:3:2: error: a tab in the indentation");
  CHECK(only_problem("a: b: c\n") == "f.yaml:1:5: error: a ':' where no value can begin");
  CHECK(only_problem("a: 'x' y\n") == "f.yaml:1:8: error: unexpected text behind the value");
  CHECK(only_problem("a:\n  b: 1\n c: 2\n") == "f.yaml:3:2: error: this line does not belong to the mapping above");
  CHECK(only_problem("a: ]\n") == "f.yaml:1:4: error: a closing bracket without an opening one");
  CHECK(only_problem("a: @x\n") == "f.yaml:1:4: error: a character that cannot begin a value");
  CHECK(only_problem("a: \"\\q\"\n") == "f.yaml:1:7: error: an unknown escape in a text in double quotes");
  CHECK(only_problem("%YAML 9.9\n---\na: 1\n") == "f.yaml:1:1: error: this is not YAML");
}

TEST_CASE("text that is not YAML text is refused before it is parsed") {
  CHECK(only_problem(std::string("a: x\0y\n", 7)) ==
        "f.yaml:1:5: error: the character U+0000 must not stand in a YAML file");
  CHECK(only_problem("a: \x1b[31m\n") == "f.yaml:1:4: error: the character U+001B must not stand in a YAML file");
  CHECK(only_problem("ä: \xff\n") == "f.yaml:1:4: error: byte 0xff is not UTF-8 text");
  CHECK(only_problem("a: \xc0\xaf\n") == "f.yaml:1:4: error: byte 0xc0 is not UTF-8 text");          // overlong
  CHECK(only_problem("a: \xed\xa0\x80\n") == "f.yaml:1:4: error: byte 0xed is not UTF-8 text");      // surrogate
  CHECK(only_problem("a: \xf4\x90\x80\x80\n") == "f.yaml:1:4: error: byte 0xf4 is not UTF-8 text");  // > U+10FFFF
  CHECK(only_problem("a: \xe2\x82") == "f.yaml:1:4: error: byte 0xe2 is not UTF-8 text");            // cut off
  CHECK(only_problem("a: x\xEF\xBB\xBF\n") ==
        "f.yaml:1:5: error: the character U+FEFF must not stand in a YAML file");
  CHECK(only_problem("a: 1\rb: 2\n") == "f.yaml:1:5: error: a carriage return without a line feed");
}

TEST_CASE("a line that is no text is shown without what terminals obey, its columns kept") {
  const std::string shown =
      "f.yaml:1:5: error: the character U+001B must not stand in a YAML file\n"
      "    é: a??[2J????\n"
      "        ^\n"
      "  next: remove it; it may be invisible in your editor\n";
  CHECK(parse("é: a\x1b\x1b[2J\xc2\x9b\x9b\u202e\xff\nb: 1\n").rendered == shown);
}

TEST_CASE("an escape does not bring in what may not stand in the file") {
  using Case = std::pair<const char*, const char*>;
  for (const auto& [escape, name] :
       {Case("\\e", "U+001B"), Case("\\0", "U+0000"), Case("\\x9b", "U+009B"), Case("\\N", "U+0085"),
        Case("\\_", "U+00A0"), Case("\\u202e", "U+202E"), Case("\\uFEFF", "U+FEFF"), Case("\\x7f", "U+007F")}) {
    const std::string text = std::string("\"x") + escape + "\"";
    const std::string problem =
        std::string("an escape in this text stands for ") + name + ", which no value may have";
    CHECK(only_problem("a: " + text + "\n") == "f.yaml:1:4: error: " + problem);
    const Parsed key = parse(text + ": {b: 1}\nc: 2\n");
    CHECK(key.rendered.substr(0, key.rendered.find('\n')) == "f.yaml:1:1: error: " + problem);
    CHECK(key.root.entries().size() == 1);
  }
  CHECK(parse("a: \"\\t\\n\\r\\\\ \\xe9 \\u20ac\"\n").root.find("a")->text() == "\t\n\r\\ é €");
}

TEST_CASE("limits end parsing with an error") {
  YamlLimits limits;
  limits.max_bytes = 10;
  CHECK_THAT(parse("a: 45678901\n", limits).rendered, contains("the file has 12 bytes; at most 10 are read"));
  limits = {};
  limits.max_nodes = 4;
  CHECK(parse("a: [1, 2]\n", limits).diagnostics.error_count() == 1);  // mapping, key, list, 2 items
  limits.max_nodes = 5;
  CHECK(parse("a: [1, 2]\n", limits).rendered.empty());
  limits = {};
  limits.max_depth = 3;
  CHECK(parse("a: {b: [1]}\n", limits).rendered.empty());
  CHECK_THAT(parse("a: {b: [[1]]}\n", limits).rendered, contains("f.yaml:1:9: error: nested deeper than 3 levels"));
}

TEST_CASE("nesting of 20000 levels is an error, not an overflow") {
  CHECK_THAT(parse(repeat("[", 20'000)).rendered, contains("f.yaml:1:201: error: brackets nested too deeply"));
  CHECK_THAT(parse(repeat("{a: ", 20'000)).rendered, contains("brackets nested too deeply"));
  CHECK_THAT(parse(repeat("[\n", 40'000)).rendered, contains("nested deeper than 64 levels"));
  CHECK_THAT(parse(repeat("- ", 40'000)).rendered, contains("f.yaml:1:129: error: nested deeper than 64 levels"));
  CHECK_THAT(parse(repeat("? ", 40'000)).rendered, contains("nested deeper than 64 levels"));
  std::string staircase;
  for (std::size_t i = 0; i < 1000; ++i) staircase += std::string(i, ' ') + "a:\n";
  CHECK_THAT(parse(staircase).rendered, contains("f.yaml:65:65: error: nested deeper than 64 levels"));
}

TEST_CASE("no document of a megabyte takes long") {
  const std::size_t size = (1U << 20U) - 64;
  std::string keys;
  for (std::size_t i = 0; keys.size() < size; ++i) keys += "k" + std::to_string(i) + ": 1\n";
  for (const std::string& text :
       {repeat("- a\n", size), keys, "[" + repeat("? a,", size), "[" + repeat("a\n", size), repeat("a: 1\n", size),
        repeat("- {}\n", size), repeat("\n", size), repeat("&", size), "a: |\n" + repeat("\n", size),
        "a: \"" + repeat("\\n", size), repeat("- &a 1\n", size), repeat("---\n", size), repeat("-\n#\n", size)}) {
    INFO(text.substr(0, 20));
    const std::clock_t start = std::clock();
    const Parsed parsed = parse(text);
    // Processor time, and generous: sanitizers are slow, quadratic time is minutes.
    CHECK(std::clock() - start < 20 * CLOCKS_PER_SEC);
    CHECK(parsed.diagnostics.error_count() <= 51);
  }
}

}  // namespace gpuplan
