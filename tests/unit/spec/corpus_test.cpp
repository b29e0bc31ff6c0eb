// Every file of tests/corpus/spec against its golden answer. GPUPLAN_ACCEPT=1 rewrites the answers.
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "describe_spec.h"
#include "spec/read_spec.h"
#include "support/catch.h"
#include "yaml/parse.h"

namespace gpuplan {
namespace {

const std::filesystem::path corpus = std::filesystem::path(GPUPLAN_SOURCE_DIR) / "tests/corpus/spec";

std::string read_text(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

std::vector<std::string> names() {
  std::set<std::string> found;
  for (const auto& entry : std::filesystem::directory_iterator(corpus)) {
    if (entry.path().extension() == ".yaml") found.insert(entry.path().stem().string());
  }
  return {found.begin(), found.end()};
}

std::string answer(const std::string& name, bool& valid) {
  Diagnostics diagnostics;
  const auto file = std::make_shared<SourceFile>(SourceFile{name + ".yaml", read_text(corpus / (name + ".yaml"))});
  const auto spec = read_spec(file, diagnostics);
  valid = spec.has_value();
  CHECK(valid == !diagnostics.has_errors());
  return render_all(diagnostics) + (spec ? describe_spec(*spec) : "");
}

}  // namespace

TEST_CASE("each spec of the corpus is answered as before") {
  REQUIRE(names().size() >= 90);
  const bool accept = std::getenv("GPUPLAN_ACCEPT") != nullptr;
  for (const std::string& name : names()) {
    INFO(name);
    bool valid = false;
    const std::string text = answer(name, valid);
    const std::filesystem::path golden = corpus / (name + ".expected");
    if (accept) std::ofstream(golden, std::ios::binary) << text;
    CHECK(text == read_text(golden));
    const bool expected_valid = name.rfind("valid-", 0) == 0 || name.rfind("warn-", 0) == 0;
    CHECK(valid == expected_valid);
  }
}

TEST_CASE("problems are sorted by their place") {
  for (const std::string& name : names()) {
    INFO(name);
    Diagnostics diagnostics;
    read_spec(std::make_shared<SourceFile>(SourceFile{name, read_text(corpus / (name + ".yaml"))}), diagnostics);
    std::pair<std::size_t, std::size_t> last{0, 0};
    for (const Diagnostic& diagnostic : diagnostics.items()) {
      if (!diagnostic.where) continue;
      const std::pair here(diagnostic.where->line, diagnostic.where->column);
      CHECK(last <= here);
      last = here;
    }
  }
}

TEST_CASE("no prefix of a spec and no single changed byte crashes the reader") {
  for (const std::string& name :
       {std::string("valid-values"), std::string("valid-addresses"), std::string("wrong-types")}) {
    const std::string text = read_text(corpus / (name + ".yaml"));
    for (std::size_t i = 0; i <= text.size(); ++i) {
      Diagnostics diagnostics;
      const auto spec = read_spec(std::make_shared<SourceFile>(SourceFile{name, text.substr(0, i)}), diagnostics);
      REQUIRE(spec.has_value() == !diagnostics.has_errors());
    }
    for (const char c : std::string("\0\t\n:-[]{}\"'#&*!|>?%@`,\x80\xff", 24)) {
      for (std::size_t i = 0; i < text.size(); ++i) {
        std::string changed = text;
        changed[i] = c;
        Diagnostics diagnostics;
        const auto spec = read_spec(std::make_shared<SourceFile>(SourceFile{name, changed}), diagnostics);
        REQUIRE(spec.has_value() == !diagnostics.has_errors());
      }
    }
  }
}

}  // namespace gpuplan
