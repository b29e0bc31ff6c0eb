#include "json/json.h"

#include <fmt/format.h>

template class nlohmann::basic_json<>;

namespace gpuplan {
namespace {

constexpr int max_depth = 200;

// The library reports depth only through its parser callback.
bool too_deep(std::string_view text) {
  int depth = 0;
  bool in_string = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') ++i;
      else if (c == '"') in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '[' || c == '{') {
      if (++depth > max_depth) return true;
    } else if (c == ']' || c == '}') {
      --depth;
    }
  }
  return false;
}

std::string scalar_text(const Json& value) {
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

bool is_block(const Json& value) { return value.is_structured() && !value.empty(); }

void append_yaml(std::string& out, const Json& value, int indent);

void append_child(std::string& out, const Json& value, int indent) {
  if (!is_block(value)) {
    out += ' ';
    out += scalar_text(value);
    out += '\n';
    return;
  }
  out += '\n';
  append_yaml(out, value, indent);
}

void append_sequence_item(std::string& out, const Json& item, int indent) {
  const std::string pad(static_cast<std::size_t>(indent), ' ');
  if (!is_block(item)) {
    out += pad + "- " + scalar_text(item) + '\n';
    return;
  }
  // "- " takes the place of the first two blanks of the item's own first line.
  std::string block;
  append_yaml(block, item, indent + 2);
  block.replace(static_cast<std::size_t>(indent), 2, "- ");
  out += block;
}

void append_yaml(std::string& out, const Json& value, int indent) {
  if (value.is_object()) {
    for (const auto& [key, child] : value.items()) {
      out.append(static_cast<std::size_t>(indent), ' ');
      out += scalar_text(Json(key)) + ':';
      append_child(out, child, indent + 2);
    }
  } else {
    for (const Json& item : value) append_sequence_item(out, item, indent);
  }
}

}  // namespace

Json parse_json(std::string_view text, std::string_view origin) {
  if (too_deep(text)) {
    throw JsonError(fmt::format("{}: JSON nested deeper than {} levels", origin, max_depth));
  }
  try {
    return Json::parse(text);
  } catch (const Json::parse_error& error) {
    throw JsonError(fmt::format("{}: not valid JSON at byte {}", origin, error.byte));
  } catch (const Json::exception&) {
    throw JsonError(fmt::format("{}: JSON with a number that is out of range", origin));
  }
}

std::string to_yaml(const Json& value) {
  if (!is_block(value)) return scalar_text(value) + '\n';
  std::string out;
  append_yaml(out, value, 0);
  return out;
}

const Json& member_at(const Json& value, std::string_view path) {
  static const Json null_value;
  const Json::json_pointer pointer{std::string(path)};
  return value.contains(pointer) ? value.at(pointer) : null_value;
}

std::string string_at(const Json& value, std::string_view path, std::string_view fallback) {
  const Json& member = member_at(value, path);
  return member.is_string() ? member.get<std::string>() : std::string(fallback);
}

bool bool_at(const Json& value, std::string_view path, bool fallback) {
  const Json& member = member_at(value, path);
  return member.is_boolean() ? member.get<bool>() : fallback;
}

std::int64_t int_at(const Json& value, std::string_view path, std::int64_t fallback) {
  const Json& member = member_at(value, path);
  return member.is_number_integer() ? member.get<std::int64_t>() : fallback;
}

}  // namespace gpuplan
