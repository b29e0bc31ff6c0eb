// Printing YAML trees.
#include "yaml/print.h"

#include <memory>

#include "support/catch.h"
#include "yaml/parse.h"

using namespace gpuplan;

namespace {

YamlNode tree_of(const std::string& text) {
  Diagnostics problems;
  YamlNode root = parse_yaml(std::make_shared<const SourceFile>(SourceFile{"test", text}), problems);
  INFO(text);
  REQUIRE_FALSE(problems.has_errors());
  return root;
}

// Same kinds, texts, plainness and order.
bool same_tree(const YamlNode& a, const YamlNode& b) {
  if (a.kind() != b.kind() || a.text() != b.text() || a.is_plain() != b.is_plain()) return false;
  if (a.items().size() != b.items().size() || a.entries().size() != b.entries().size()) return false;
  for (std::size_t i = 0; i < a.items().size(); ++i) {
    if (!same_tree(a.items()[i], b.items()[i])) return false;
  }
  for (std::size_t i = 0; i < a.entries().size(); ++i) {
    if (a.entries()[i].key != b.entries()[i].key || !same_tree(a.entries()[i].value, b.entries()[i].value))
      return false;
  }
  return true;
}

}  // namespace

TEST_CASE("print_yaml: block style, with the order of the keys") {
  const std::string text =
      "kind: Config\n"
      "clusters:\n"
      "- name: a\n"
      "  cluster:\n"
      "    server: \"https://a:6443\"\n"
      "    insecure: true\n"
      "- name: b\n"
      "users: []\n"
      "preferences: {}\n"
      "nothing: null\n"
      "lists:\n"
      "- - 1\n"
      "  - 2\n"
      "- []\n";
  CHECK(print_yaml(tree_of(text)) == text);
}

TEST_CASE("print_yaml: what is read again is what was printed") {
  for (const char* text : {
           "a: 'single ''quoted'''\nb: \"tab\\t and \\\\ and \\\" and \\n\"\n",
           "a: yes\nb: \"yes\"\nc: 012\nd: ~\ne:\nf: ''\n",
           "a: |\n  lines\n    of text\n  end\nb: >-\n  folded\n  text\n",
           "\"a: b\": 1\n\"- x\": 2\n'': 3\n\"true\": 4\n\"12\": 5\n\"# no comment\": 6\n",
           "{\"a\": [1, {\"b\": null}], \"c\": \"d\"}\n",
           "- plain text with  blanks, [brackets] and {braces}\n- 'x: y'\n- - - deep\n- key: [a, b]\n  other: {}\n",
           "a: plain\n  over two lines\nb: \"ümläut €\"\n",
           "[]\n",
           "{}\n",
           "text\n",
           "\"text\"\n",
           "null\n",
       }) {
    const YamlNode root = tree_of(text);
    const std::string printed = print_yaml(root);
    INFO(printed);
    const YamlNode again = tree_of(printed);
    // A plain scalar of nothing, or of several lines, may have become a quoted one.
    CHECK(print_yaml(again) == printed);
    CHECK(same_tree(root, again));
  }
}

TEST_CASE("print_yaml: what is plain only where it stood gets quotes") {
  const auto [text, printed] = GENERATE(table<const char*, const char*>({
      {"[-]", "- \"-\"\n"},
      {"{a: [-, --, -x, .]}", "a:\n- \"-\"\n- \"--\"\n- -x\n- \".\"\n"},
      {" ---", "\"---\"\n"},
      {" ...", "\"...\"\n"},
      {"[-5, +1, .5, -.5, .inf, -.inf, 0x1f, ~/x, /x, ../x]",
       "- -5\n- +1\n- .5\n- -.5\n- .inf\n- -.inf\n- 0x1f\n- \"~/x\"\n- /x\n- \"../x\"\n"},
  }));
  CHECK(print_yaml(tree_of(text)) == printed);
  CHECK(print_yaml(tree_of(printed)) == printed);
}
