#include "host/sim/guest_yaml.h"

#include <fmt/format.h>

#include <cstdint>
#include <memory>

#include "yaml/parse.h"

namespace gpuplan::sim {
namespace {

Json scalar_from_yaml(const YamlNode& node) {
  const std::string& text = node.text();
  if (!node.is_plain()) return text;
  if (text.empty() || text == "~" || text == "null" || text == "Null" || text == "NULL") return nullptr;
  if (text == "true" || text == "True" || text == "TRUE") return true;
  if (text == "false" || text == "False" || text == "FALSE") return false;
  // A plain scalar that JSON reads as a number is one in YAML's core schema too.
  const Json number = Json::parse(text, nullptr, false);
  return number.is_number() ? number : Json(text);
}

std::vector<std::string> split_documents(const std::string& text) {
  std::vector<std::string> out(1);
  std::size_t begin = 0;
  while (begin < text.size()) {
    std::size_t end = text.find('\n', begin);
    end = end == std::string::npos ? text.size() : end + 1;
    const std::string line = text.substr(begin, end - begin);
    if (line == "---\n" || line == "---") {
      out.emplace_back();
    } else {
      out.back() += line;
    }
    begin = end;
  }
  return out;
}

}  // namespace

Json json_from_yaml(const YamlNode& node) {
  switch (node.kind()) {
    case YamlNode::Kind::null:
      return nullptr;
    case YamlNode::Kind::scalar:
      return scalar_from_yaml(node);
    case YamlNode::Kind::sequence: {
      Json out = Json::array();
      for (const YamlNode& item : node.items()) out.push_back(json_from_yaml(item));
      return out;
    }
    case YamlNode::Kind::mapping: {
      Json out = Json::object();
      for (const YamlNode::Entry& entry : node.entries()) out[entry.key] = json_from_yaml(entry.value);
      return out;
    }
  }
  return nullptr;
}

std::vector<Json> read_yaml_documents(const std::string& text, std::string& error) {
  std::vector<Json> out;
  for (const std::string& document : split_documents(text)) {
    Diagnostics diagnostics;
    const auto file = std::make_shared<const SourceFile>(SourceFile{"yaml", document});
    const YamlNode root = parse_yaml(file, diagnostics);
    if (diagnostics.has_errors()) {
      const Diagnostic& first = diagnostics.items().front();
      error = fmt::format("yaml: line {}: {}", first.where ? first.where->line : 1, first.summary);
      return {};
    }
    if (!root.is_null()) out.push_back(json_from_yaml(root));
  }
  return out;
}

}  // namespace gpuplan::sim
