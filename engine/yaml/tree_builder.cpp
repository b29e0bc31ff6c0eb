#include "yaml/tree_builder.h"

#include <fmt/format.h>

#include <algorithm>

#include "yaml/decode.h"

namespace gpuplan {
namespace {

// More would only bury the first ones.
constexpr std::size_t max_errors = 50;

// A null mark has -1 everywhere.
std::size_t line_of(const YAML::Mark& mark) { return static_cast<std::size_t>(std::max(mark.line, 0)); }
std::size_t column_of(const YAML::Mark& mark) { return static_cast<std::size_t>(std::max(mark.column, 0)); }

bool is_null_text(const std::string& text) {
  return text.empty() || text == "~" || text == "null" || text == "Null" || text == "NULL";
}

// The offset behind the closing quote of a quoted scalar at `begin`; nothing if it is not closed.
std::optional<std::size_t> end_of_quoted(std::string_view text, std::size_t begin) {
  const char quote_mark = text[begin];
  for (std::size_t i = begin + 1; i < text.size(); ++i) {
    if (quote_mark == '"' && text[i] == '\\') {
      ++i;
    } else if (text[i] == quote_mark) {
      const bool doubled = quote_mark == '\'' && i + 1 < text.size() && text[i + 1] == '\'';
      if (!doubled) return i + 1;
      ++i;
    }
  }
  return std::nullopt;
}

std::string short_tag(const std::string& tag) {
  constexpr std::string_view standard = "tag:yaml.org,2002:";
  return tag.substr(0, standard.size()) == standard ? "!!" + tag.substr(standard.size()) : tag;
}

}  // namespace

TreeBuilder::TreeBuilder(PlaceFinder& places, Diagnostics& diagnostics, const YamlLimits& limits)
    : places_(places), diagnostics_(diagnostics), limits_(limits) {}

std::optional<SourceLocation> TreeBuilder::open_bracket() const {
  if (frames_.empty() || !frames_.back().in_brackets) return std::nullopt;
  return frames_.back().where;
}

void TreeBuilder::OnDocumentStart(const YAML::Mark& mark) {
  if (started_) {
    const SourceLocation where = place(mark);
    const std::string_view rest =
        std::string_view(places_.text()).substr(places_.offset(line_of(mark), column_of(mark)));
    if (rest.substr(0, 3) == "---") {
      error(where, "a second document begins here", "keep one document per file");
    } else {
      error(where, "unexpected text after the end of the document",
            "check the indentation of this line and the brackets and quotes before it");
    }
    throw StopParsing{};
  }
  started_ = true;
}

void TreeBuilder::OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) {
  SourceLocation where = place(mark);
  if (wants_key()) {
    check_properties(where, "?", anchor);
    count_node(where);
    error(where, "a key is missing before ':'", "write KEY: VALUE; a key that is called null needs quotes");
    drop_key(where);
    return;
  }
  // An absent value has no place of its own: yaml-cpp names the next token, maybe lines below.
  if (!frames_.empty() && frames_.back().is_mapping) {
    where = frames_.back().key_where;
    check_colon(frames_.back());
  } else if (!frames_.empty() && !frames_.back().in_brackets) {
    where = place_of_item(mark);
  }
  check_properties(where, "?", anchor);
  count_node(where);
  add_value(YamlNode::null(where));
}

void TreeBuilder::OnAlias(const YAML::Mark& mark, YAML::anchor_t) {
  const SourceLocation where = place(mark);
  count_node(where);
  error(where, "aliases (*NAME) are not supported here", "write the value out");
  if (wants_key()) {
    drop_key(where);
    return;
  }
  add_value(YamlNode::null(where));
}

void TreeBuilder::OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                           const std::string& value) {
  const Extent extent = this->extent(mark, value);
  const SourceLocation& where = extent.where;
  check_properties(where, tag, anchor);
  count_node(where);
  const bool plain = tag == "?" || tag.empty();
  const bool refused = !plain && refuse_escapes(where, value);
  if (wants_key()) {
    if (refused) return drop_key(where);
    add_key(extent, value, plain);
  } else if (refused) {
    add_value(YamlNode::null(where));
  } else if (plain && is_null_text(value)) {
    add_value(YamlNode::null(where));
  } else {
    add_value(YamlNode::scalar(where, value, plain));
  }
}

void TreeBuilder::OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                                  YAML::EmitterStyle::value style) {
  open(mark, tag, anchor, false, style == YAML::EmitterStyle::Flow);
}

void TreeBuilder::OnSequenceEnd() { close(); }

void TreeBuilder::OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                             YAML::EmitterStyle::value style) {
  open(mark, tag, anchor, true, style == YAML::EmitterStyle::Flow);
}

void TreeBuilder::OnMapEnd() { close(); }

SourceLocation TreeBuilder::place(const YAML::Mark& mark) { return places_.at(line_of(mark), column_of(mark)); }

SourceLocation TreeBuilder::place_of_item(const YAML::Mark& mark) {
  const std::string_view text = places_.text();
  const std::size_t begin = places_.offset(line_of(mark), column_of(mark));
  if (begin < text.size() && is_null_text(std::string(text.substr(begin, text[begin] == '~' ? 1 : 4))))
    return place(mark);
  for (std::size_t line = line_of(mark); line-- > 0;) {
    const std::size_t start = places_.offset(line, 0);
    const std::size_t dash = text.find_first_not_of(' ', start);
    if (dash != std::string_view::npos && text[dash] == '-') return places_.at(line, dash - start);
  }
  return place(mark);
}

TreeBuilder::Extent TreeBuilder::extent(const YAML::Mark& mark, const std::string& value) {
  const std::string_view text = places_.text();
  const std::size_t begin = places_.offset(line_of(mark), column_of(mark));
  Extent extent{place(mark), begin};
  if (begin >= text.size()) return extent;
  if (text[begin] == '"' || text[begin] == '\'') {
    const auto end = end_of_quoted(text, begin);
    if (!end) {
      // yaml-cpp 0.7 takes a quote that is still open at the end of the file for closed.
      error(extent.where, "a quoted text is not closed before the end of the file", "add the closing quote");
      throw StopParsing{};
    }
    extent.end = *end;
  } else if (text.substr(begin, value.size()) == value) {
    extent.end = begin + value.size();
  }
  const std::string_view own = text.substr(begin, extent.end - begin);
  if (!own.empty() && own.find('\n') == std::string_view::npos) extent.where.length = count_code_points(own);
  return extent;
}

void TreeBuilder::check_properties(const SourceLocation& where, const std::string& tag, YAML::anchor_t anchor) {
  if (anchor != 0) error(where, "anchors (&NAME) are not supported here", "remove the anchor");
  if (!tag.empty() && tag != "?" && tag != "!") {
    error(where, fmt::format("the tag {} is not supported here", quote(short_tag(tag))),
          "remove it; a text that looks like a number goes into quotes");
  }
}

// What may not stand in a file must not come in by "\e" or "\u202e" either: values go to terminals and XML.
bool TreeBuilder::refuse_escapes(const SourceLocation& where, const std::string& value) {
  const auto character = forbidden_character(value);
  if (!character) return false;
  error(where, fmt::format("an escape in this text stands for U+{:04X}, which no value may have", *character),
        "remove the escape");
  return true;
}

void TreeBuilder::drop_key(const SourceLocation& where) {
  Frame& frame = frames_.back();
  frame.has_key = frame.drop_value = true;
  frame.key_where = where;
}

void TreeBuilder::count_node(const SourceLocation& where) {
  if (++nodes_ <= limits_.max_nodes) return;
  error(where, fmt::format("more than {} values in one file", limits_.max_nodes), "split or shorten the file");
  throw StopParsing{};
}

void TreeBuilder::error(const SourceLocation& where, std::string summary, std::string remedy) {
  diagnostics_.error(where, std::move(summary), std::move(remedy));
  if (++errors_ >= max_errors) {
    diagnostics_.error(where, "too many problems: reading stops here", "mend the ones above first");
    throw StopParsing{};
  }
}

void TreeBuilder::check_colon(const Frame& frame) {
  // yaml-cpp 0.7 takes a last line without ':' for a key without a value.
  if (frame.in_brackets || frame.drop_value) return;
  const std::string_view text = places_.text();
  const std::size_t next = text.find_first_not_of(" \t", frame.key_end);
  if (next != std::string_view::npos && text[next] == ':') return;
  error(frame.key_where, fmt::format("{} is not followed by ':'", quote(frame.key)), "write KEY: VALUE");
}

bool TreeBuilder::wants_key() const {
  return !frames_.empty() && frames_.back().is_mapping && !frames_.back().has_key;
}

void TreeBuilder::add_key(const Extent& extent, const std::string& text, bool plain) {
  const SourceLocation& where = extent.where;
  Frame& frame = frames_.back();
  frame.key_end = extent.end;
  frame.has_key = true;
  frame.drop_value = false;
  frame.key = text;
  frame.key_where = where;
  if (plain && text == "<<") {
    frame.drop_value = true;
    error(where, "merge keys (<<) are not supported here", "write the keys out");
    return;
  }
  const auto [first, is_new] = frame.seen.emplace(text, where);
  if (is_new) return;
  frame.drop_value = true;
  error(where, fmt::format("the key {} stands here twice; first in line {}", quote(text), first->second.line),
        "remove one of them");
}

void TreeBuilder::add_value(YamlNode node) {
  if (frames_.empty()) {
    root_ = std::move(node);
    return;
  }
  Frame& frame = frames_.back();
  if (!frame.is_mapping) {
    frame.items.push_back(std::move(node));
    return;
  }
  if (!frame.drop_value) frame.entries.push_back({std::move(frame.key), frame.key_where, std::move(node)});
  frame.has_key = false;
  frame.drop_value = false;
}

void TreeBuilder::open(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, bool is_mapping,
                       bool in_brackets) {
  const SourceLocation where = place(mark);
  check_properties(where, tag, anchor);
  count_node(where);
  if (frames_.size() >= limits_.max_depth) {
    error(where, fmt::format("nested deeper than {} levels", limits_.max_depth), "flatten the document");
    throw StopParsing{};
  }
  Frame frame;
  frame.is_mapping = is_mapping;
  frame.in_brackets = in_brackets;
  frame.where = where;
  if (wants_key()) {
    frame.is_key = true;
    frames_.back().has_key = frames_.back().drop_value = true;
    frames_.back().key_where = where;
  }
  frames_.push_back(std::move(frame));
}

void TreeBuilder::close() {
  Frame frame = std::move(frames_.back());
  frames_.pop_back();
  if (frame.is_key) {
    // Said here and not in open(): yaml-cpp also calls brackets a key that are never closed.
    error(frame.where, fmt::format("a key must be a plain text, not {}", frame.is_mapping ? "a mapping" : "a list"),
          "write KEY: VALUE; text with braces or brackets goes into quotes");
    return;
  }
  add_value(frame.is_mapping ? YamlNode::mapping(frame.where, std::move(frame.entries))
                             : YamlNode::sequence(frame.where, std::move(frame.items)));
}

}  // namespace gpuplan
