#include "yaml/print.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>

namespace gpuplan {
namespace {

void quote_to(std::string& out, std::string_view text) {
  out += '"';
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\t') {
      out += "\\t";
    } else if (byte < 0x20 || byte == 0x7f) {
      fmt::format_to(std::back_inserter(out), "\\x{:02x}", byte);
    } else {
      out += c;
    }
  }
  out += '"';
}

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Whether a text that was plain where it was read is still one in a block, at any column: "-" is a scalar between
// brackets and begins a list in a block, "---" and "%" mean something in the first column. Whatever has a type other
// than text (numbers, booleans) passes.
bool stays_plain(std::string_view text) {
  if (text.empty() || text.find('\n') != std::string::npos) return false;
  while (text.size() > 1 && (text.front() == '-' || text.front() == '+')) text.remove_prefix(1);
  if (text.size() > 1 && text.front() == '.') text.remove_prefix(1);
  return is_letter(text.front()) || is_digit(text.front()) || text.front() == '/' || text.front() == '_';
}

// Whether a key means the same text without quotes to every reader.
bool is_plain_key(std::string_view key) {
  constexpr std::array reserved = {"null", "true", "false", "yes", "no", "on", "off", "y", "n"};
  if (key.empty() || !is_letter(key.front())) return false;
  const bool ordinary = std::all_of(key.begin(), key.end(), [](char c) {
    return is_letter(c) || is_digit(c) || c == '-' || c == '_' || c == '.' || c == '/';
  });
  std::string lower(key);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return ordinary && std::find(reserved.begin(), reserved.end(), lower) == reserved.end();
}

bool is_inline(const YamlNode& node) {
  return node.is_null() || node.is_scalar() || (node.is_sequence() && node.items().empty()) ||
         (node.is_mapping() && node.entries().empty());
}

void print_inline(std::string& out, const YamlNode& node) {
  if (node.is_null())
    out += "null";
  else if (node.is_sequence())
    out += "[]";
  else if (node.is_mapping())
    out += "{}";
  else if (node.is_plain() && stays_plain(node.text()))
    out += node.text();
  else
    quote_to(out, node.text());
}

// `indent` blanks stand before every line but the first, which goes on where `out` ends.
void print_block(std::string& out, const YamlNode& node, std::size_t indent) {
  bool first = true;
  const auto begin_line = [&] {
    if (!first) out.append(indent, ' ');
    first = false;
  };
  if (node.is_sequence()) {
    for (const YamlNode& item : node.items()) {
      begin_line();
      out += "- ";
      if (is_inline(item)) {
        print_inline(out, item);
        out += '\n';
      } else {
        print_block(out, item, indent + 2);
      }
    }
    return;
  }
  for (const YamlNode::Entry& entry : node.entries()) {
    begin_line();
    if (is_plain_key(entry.key))
      out += entry.key;
    else
      quote_to(out, entry.key);
    out += ':';
    if (is_inline(entry.value)) {
      out += ' ';
      print_inline(out, entry.value);
      out += '\n';
      continue;
    }
    // A list may stand at its key's own column.
    const std::size_t inner = entry.value.is_sequence() ? indent : indent + 2;
    out += '\n';
    out.append(inner, ' ');
    print_block(out, entry.value, inner);
  }
}

}  // namespace

std::string print_yaml(const YamlNode& root) {
  std::string out;
  if (is_inline(root)) {
    print_inline(out, root);
    out += '\n';
  } else {
    print_block(out, root, 0);
  }
  return out;
}

}  // namespace gpuplan
