#include "spec/values.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>

#include "json/json.h"
#include "yaml/decode.h"

namespace gpuplan {
namespace {

std::size_t skip_digits(std::string_view text, std::size_t at) {
  while (at < text.size() && text[at] >= '0' && text[at] <= '9') ++at;
  return at;
}

enum class Shape { text, integer, fraction };

// -?(0|[1-9][0-9]*)(.[0-9]+)?([eE][+-]?[0-9]+)?
Shape shape_of(std::string_view text) {
  const std::size_t first = text.substr(0, 1) == "-" ? 1 : 0;
  std::size_t at = skip_digits(text, first);
  if (at == first || (text[first] == '0' && at > first + 1)) return Shape::text;
  if (at == text.size()) return Shape::integer;
  if (text[at] == '.') {
    const std::size_t after = skip_digits(text, at + 1);
    if (after == at + 1) return Shape::text;
    at = after;
  }
  if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
    std::size_t digits = at + 1;
    if (digits < text.size() && (text[digits] == '+' || text[digits] == '-')) ++digits;
    at = skip_digits(text, digits);
    if (at == digits) return Shape::text;
  }
  return at == text.size() ? Shape::fraction : Shape::text;
}

Json number(const YamlNode& node, Shape shape, Diagnostics& diagnostics) {
  const std::string& text = node.text();
  if (shape == Shape::integer) {
    std::int64_t value = 0;
    if (std::from_chars(text.data(), text.data() + text.size(), value).ec == std::errc{}) return value;
  } else {
    double value = 0;
    const bool fits = std::from_chars(text.data(), text.data() + text.size(), value).ec == std::errc{};
    if (fits && std::isfinite(value)) return value;
  }
  diagnostics.error(node.where(), fmt::format("the number {} is too large", quote(text)),
                    "put it into quotes if it is a text");
  return nullptr;
}

Json scalar(const YamlNode& node, Diagnostics& diagnostics) {
  const std::string& text = node.text();
  if (!node.is_plain()) return text;
  if (text == "true" || text == "True" || text == "TRUE") return true;
  if (text == "false" || text == "False" || text == "FALSE") return false;
  const Shape shape = shape_of(text);
  if (shape == Shape::text) return text;
  return number(node, shape, diagnostics);
}

// The parser bounds the depth of nodes.
Json convert(const YamlNode& node, Diagnostics& diagnostics) {
  switch (node.kind()) {
    case YamlNode::Kind::null:
      return nullptr;
    case YamlNode::Kind::scalar:
      return scalar(node, diagnostics);
    case YamlNode::Kind::sequence: {
      Json list = Json::array();
      for (const YamlNode& item : node.items()) list.push_back(convert(item, diagnostics));
      return list;
    }
    case YamlNode::Kind::mapping:
      break;
  }
  Json object = Json::object();
  for (const YamlNode::Entry& entry : node.entries()) object[entry.key] = convert(entry.value, diagnostics);
  return object;
}

}  // namespace

std::string values_to_json(const YamlNode& node, Diagnostics& diagnostics) {
  return convert(node, diagnostics).dump();
}

}  // namespace gpuplan
