#include "yaml/parse.h"

#include <fmt/format.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <array>
#include <optional>
#include <sstream>

#include "yaml/text_check.h"
#include "yaml/tree_builder.h"

namespace gpuplan {
namespace {

struct Wording {
  std::string_view library;  // how yaml-cpp's message begins
  std::string_view summary;
  std::string_view remedy;
};

// yaml-cpp's messages are for those who know its scanner; these are for those who wrote the file.
constexpr std::array wordings = {
    Wording{
        "illegal map value", "a ':' where no value can begin",
        "check the indentation here and above; KEY: VALUE needs a blank behind ':', a text with ': ' needs quotes"},
    Wording{"illegal block entry", "a '- ' where no list item can begin", "check the indentation of this line"},
    Wording{"illegal map key", "a '?' where no key can begin", "put the text into quotes"},
    Wording{"end of map not found", "this line does not belong to the mapping above",
            "write KEY: VALUE, with as many blanks before it as its neighbours have"},
    Wording{"end of sequence not found", "this line does not belong to the list above",
            "begin each item with '- ', with as many blanks before it as its neighbours have"},
    Wording{"end of map flow not found", "a mapping in braces is not closed", "add a ',' or '}'"},
    Wording{"end of sequence flow not found", "a list in brackets is not closed", "add a ',' or ']'"},
    Wording{"illegal flow end", "a closing bracket without an opening one", "remove it, or put the text into quotes"},
    Wording{"illegal EOF in scalar", "a quoted text is not closed before the end of the file",
            "add the closing quote"},
    Wording{"illegal document indicator in scalar", "a document ends inside a quoted text", "add the closing quote"},
    Wording{"illegal tab", "a tab in the indentation", "indent with blanks"},
    Wording{"unknown escape character", "an unknown escape in a text in double quotes",
            "write \\\\ for a backslash, or use single quotes"},
    Wording{"bad character found while scanning hex number", "a broken \\x or \\u escape",
            "write exactly 2, 4 or 8 hexadecimal digits after \\x, \\u or \\U"},
    Wording{"invalid unicode", "an escape that names no character", "use a code point that exists"},
    Wording{"unexpected character in block scalar", "unexpected text after '|' or '>'",
            "begin the text on the next line"},
    Wording{"cannot set zero indentation", "an indentation of 0 after '|' or '>'", "use 1 to 9, or leave it away"},
    Wording{"the referenced anchor is not defined", "aliases (*NAME) are not supported here", "write the value out"},
    Wording{"alias not found", "a '*' at the front of a plain text", "put the text into quotes"},
    Wording{"anchor not found", "a '&' at the front of a plain text", "put the text into quotes"},
    Wording{"illegal character found while scanning alias", "a '*' at the front of a plain text",
            "put the text into quotes"},
    Wording{"illegal character found while scanning anchor", "a '&' at the front of a plain text",
            "put the text into quotes"},
    Wording{"unknown token", "a character that cannot begin a value", "put the text into quotes"},
};

Wording wording_of(const std::string& message) {
  for (const Wording& wording : wordings) {
    if (std::string_view(message).substr(0, wording.library.size()) == wording.library) return wording;
  }
  return {"", "this is not YAML", "check the indentation, brackets and quotes of this line and the one above"};
}

// The column of the first tab in the line's indentation; nothing if there is none.
std::optional<std::size_t> tab_in_indentation(const SourceLocation& where) {
  const std::string line = where.line_text();
  const std::size_t first = line.find_first_not_of(" \t");
  const std::size_t tab = line.find('\t');
  if (first == std::string::npos || tab == std::string::npos || tab > first) return std::nullopt;
  return tab + 1;
}

// True if something other than blanks stands before the place on its line.
bool behind_something(const SourceLocation& where) {
  return where.line_text().find_first_not_of(' ') + 1 < where.column;
}

void report_syntax_error(const YAML::Exception& error, PlaceFinder& places, const TreeBuilder& builder,
                         Diagnostics& diagnostics) {
  const auto line = static_cast<std::size_t>(std::max(error.mark.line, 0));
  const auto column = static_cast<std::size_t>(std::max(error.mark.column, 0));
  SourceLocation where = places.at(line, column);
  const bool at_end = places.text().find_first_not_of(" \t\r\n", places.offset(line, column)) == std::string::npos;
  const Wording wording = wording_of(error.msg);
  std::string summary(wording.summary);
  std::string remedy(wording.remedy);
  if (const auto tab = tab_in_indentation(where)) {
    where.column = *tab;
    summary = "a tab in the indentation";
    remedy = "indent with blanks";
  } else if (wording.library.find("flow not found") != std::string_view::npos && builder.open_bracket()) {
    summary += at_end ? " before the end of the file" : fmt::format(" before line {}", where.line);
    where = *builder.open_bracket();
  } else if (wording.library.substr(0, 6) == "end of" && behind_something(where)) {
    summary = "unexpected text behind the value";
    remedy = "remove it, or put the whole value into quotes";
  }
  diagnostics.error(where, std::move(summary), std::move(remedy));
}

}  // namespace

YamlNode parse_yaml(std::shared_ptr<const SourceFile> file, Diagnostics& diagnostics, const YamlLimits& limits) {
  const std::string& text = file->text;
  const std::size_t start = byte_order_mark_size(text);
  if (text.size() > limits.max_bytes) {
    diagnostics.error({file, 1, 1, 1},
                      fmt::format("the file has {} bytes; at most {} are read", text.size(), limits.max_bytes),
                      "check that this is the file you meant");
    return {};
  }
  PlaceFinder places(file, start);
  if (const auto problem = check_text(text, start)) {
    SourceLocation where = places.at_offset(problem->offset);
    // Errors show the line that they are about, and terminals obey more than they should.
    where.file = std::make_shared<SourceFile>(SourceFile{file->name, without_forbidden_characters(text)});
    diagnostics.error(where, problem->summary, problem->remedy);
    return {};
  }
  TreeBuilder builder(places, diagnostics, limits);
  try {
    // With a line end behind the last line, yaml-cpp need not guess what an open bracket was to become.
    std::istringstream stream(text.substr(start) + '\n');
    YAML::Parser parser(stream);
    while (parser.HandleNextDocument(builder)) {
    }
  } catch (const StopParsing&) {
    // The builder has said why.
  } catch (const YAML::Exception& error) {
    report_syntax_error(error, places, builder, diagnostics);
  }
  return builder.take_root();
}

}  // namespace gpuplan
