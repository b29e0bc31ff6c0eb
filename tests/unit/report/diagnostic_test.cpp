#include "report/diagnostic.h"

#include "support/catch.h"

namespace gpuplan {
namespace {

SourceLocation at(const std::string& text, std::size_t line, std::size_t column, std::size_t length = 1) {
  return {std::make_shared<SourceFile>(SourceFile{"f.yaml", text}), line, column, length};
}

std::string rendered(const SourceLocation& where) {
  return render({Severity::error, "wrong", {}, {}, {}, where}, false);
}

}  // namespace

TEST_CASE("a diagnostic is printed with its line and a caret") {
  Diagnostic diagnostic;
  diagnostic.summary = "unknown key \"memroy\"";
  diagnostic.why = "only known keys are read";
  diagnostic.remedy = "did you mean \"memory\"?";
  diagnostic.where = at("a: 1\nb: {memroy: 1}\n", 2, 5, 6);
  CHECK(render(diagnostic, false) ==
        "f.yaml:2:5: error: unknown key \"memroy\"\n"
        "    b: {memroy: 1}\n"
        "        ^~~~~~\n"
        "  why: only known keys are read\n"
        "  next: did you mean \"memory\"?\n");
}

TEST_CASE("the caret stands under its character in UTF-8 and behind tabs") {
  CHECK(rendered(at("ä: \"€\" x\n", 1, 8)) == "f.yaml:1:8: error: wrong\n    ä: \"€\" x\n           ^\n");
  CHECK(rendered(at("\ta:\tb\n", 1, 5)) == "f.yaml:1:5: error: wrong\n    \ta:\tb\n    \t  \t^\n");
  CHECK(rendered(at("a: 1\r\nb: 2\r\n", 2, 1, 4)) == "f.yaml:2:1: error: wrong\n    b: 2\n    ^~~~\n");
}

TEST_CASE("the source line is left out where there is none or it is too long") {
  CHECK(rendered(at("a\n", 7, 1)) == "f.yaml:7:1: error: wrong\n");
  CHECK(rendered(at(std::string(200, 'x'), 1, 3)) == "f.yaml:1:3: error: wrong\n");
  CHECK(at("", 1, 1).line_text().empty());
  CHECK(SourceLocation().to_string() == "?:1:1");
}

TEST_CASE("control characters never reach the terminal") {
  CHECK(printable("a\x1b[31m\n\x7f€") == "a\\x1b[31m\\x0a\\x7f€");
  CHECK(rendered(at("a\x1b[31m\n", 1, 1)) == "f.yaml:1:1: error: wrong\n    a?[31m\n    ^\n");
  CHECK(render({Severity::error, "x\x1b[0m", {}, "y\ny", {}, std::nullopt}, false) ==
        "error: x\\x1b[0m\n  next: y\\x0ay\n");
}

TEST_CASE("a log is printed line by line, and does nothing to the terminal") {
  CHECK(printable_lines("one\ttab\r\ntwo\n") == "one\ttab\ntwo\n");
  CHECK(printable_lines(" 10%\r 20%\rdone\n") == " 10%\n 20%\ndone\n");
  CHECK(printable_lines("\033[0;32m  OK  \033[0m started\033[2J\033[?25l\033[K.") == "  OK   started.");
  CHECK(printable_lines("\033]0;title\a\033[\n\x9b" "31m\033") == "\\x1b]0;title\\x07\\x1b[\n\\x9b31m\\x1b");
  CHECK(printable_lines("").empty());
}

TEST_CASE("severity, address and color") {
  Diagnostic diagnostic;
  diagnostic.severity = Severity::warning;
  diagnostic.summary = "s";
  diagnostic.address = "vfio-bind/0000:0a:00.0";
  CHECK(render(diagnostic, false) == "warning: vfio-bind/0000:0a:00.0: s\n");
  CHECK_THAT(render(diagnostic, true), contains("\033["));
  diagnostic.severity = Severity::note;
  CHECK(render(diagnostic, false) == "note: vfio-bind/0000:0a:00.0: s\n");
}

TEST_CASE("only errors count as errors") {
  Diagnostics diagnostics;
  diagnostics.warning({}, "w", "r");
  CHECK_FALSE(diagnostics.has_errors());
  diagnostics.error({}, "e");
  diagnostics.add({Severity::note, "n", {}, {}, {}, std::nullopt});
  CHECK(diagnostics.has_errors());
  CHECK(diagnostics.error_count() == 1);
  REQUIRE(diagnostics.items().size() == 3);
  CHECK(diagnostics.items()[0].remedy == "r");
}

TEST_CASE("did_you_mean offers what is near enough") {
  CHECK(did_you_mean("memroy", {"cpus", "memory", "disk"}) == "memory");
  CHECK(did_you_mean("cpu", {"cpus", "memory"}) == "cpus");
  CHECK(did_you_mean("gpu", {"gpus"}) == "gpus");
  CHECK(did_you_mean("xyz", {"cpus", "memory"}).empty());
  CHECK(did_you_mean("", {"cpus"}).empty());
  CHECK(did_you_mean("memory", {}).empty());
  CHECK(did_you_mean(std::string(65, 'a'), {"a"}).empty());
  CHECK(did_you_mean("worker-2", {"worker-1", "worker-2"}) == "worker-2");
}

}  // namespace gpuplan
