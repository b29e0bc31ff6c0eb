// What is wrong, where, why, and what to do next: the one form in which problems are reported.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace gpuplan {

// A text that positions point into. `name` is the path as the user gave it.
struct SourceFile {
  std::string name;
  std::string text;
};

// A place in a SourceFile. Lines and columns count from 1; columns count characters (UTF-8 code
// points), not bytes. `length` is the number of characters that a caret line underlines.
struct SourceLocation {
  std::shared_ptr<const SourceFile> file;
  std::size_t line = 1;
  std::size_t column = 1;
  std::size_t length = 1;

  // "spec.yaml:14:9"
  std::string to_string() const;
  // The text of the line, without its end, control characters replaced by '?'. Empty past the end.
  std::string line_text() const;
};

enum class Severity { note, warning, error };

struct Diagnostic {
  Severity severity = Severity::error;
  std::string summary;                   // what: one line, no final full stop
  std::string why;                       // may be empty
  std::string remedy;                    // what to do next; may be empty
  std::string address;                   // the resource it is about, "vfio-bind/0000:0a:00.0"; may be empty
  std::optional<SourceLocation> where;
};

// Collects problems, so that all are reported at once. Not thread-safe.
class Diagnostics {
 public:
  void add(Diagnostic diagnostic);
  void error(const SourceLocation& where, std::string summary, std::string remedy = {});
  void warning(const SourceLocation& where, std::string summary, std::string remedy = {});

  const std::vector<Diagnostic>& items() const { return items_; }
  bool has_errors() const { return errors_ > 0; }
  std::size_t error_count() const { return errors_; }

 private:
  std::vector<Diagnostic> items_;
  std::size_t errors_ = 0;
};

// "spec.yaml:14:9: error: SUMMARY", then the source line with a caret line below it, then why and
// remedy, each on its own indented line. Ends with a newline. With `color`, ANSI escapes are used.
std::string render(const Diagnostic& diagnostic, bool color);

// Text from outside made safe for a terminal: bytes of control characters, of bidirectional controls and
// of what is not UTF-8 become "\xNN".
std::string printable(std::string_view text);

// The same for a text of several lines, such as a log: lines and tabs stay, carriage returns end a line, and the
// sequences with which a program colours a terminal or moves about on it are left out.
std::string printable_lines(std::string_view text);

// The candidate nearest to `word` if it is near enough to be meant (edit distance at most a third
// of the word's length, at least 1); empty otherwise.
std::string did_you_mean(std::string_view word, const std::vector<std::string_view>& candidates);

}  // namespace gpuplan
