#include "yaml/node.h"

#include <unordered_map>
#include <utility>

namespace gpuplan {

struct YamlNode::Data {
  Kind kind = Kind::null;
  bool plain = false;
  SourceLocation where;
  std::string text;
  std::vector<YamlNode> items;
  std::vector<Entry> entries;
  // Of large mappings only: where each key is in `entries`, whose strings it refers to.
  std::unordered_map<std::string_view, std::size_t> index;
};

YamlNode YamlNode::null(SourceLocation where) {
  auto data = std::make_shared<Data>();
  data->where = std::move(where);
  YamlNode node;
  node.data_ = std::move(data);
  return node;
}

YamlNode YamlNode::scalar(SourceLocation where, std::string text, bool plain) {
  auto data = std::make_shared<Data>();
  data->kind = Kind::scalar;
  data->plain = plain;
  data->where = std::move(where);
  data->text = std::move(text);
  YamlNode node;
  node.data_ = std::move(data);
  return node;
}

YamlNode YamlNode::sequence(SourceLocation where, std::vector<YamlNode> items) {
  auto data = std::make_shared<Data>();
  data->kind = Kind::sequence;
  data->where = std::move(where);
  data->items = std::move(items);
  YamlNode node;
  node.data_ = std::move(data);
  return node;
}

YamlNode YamlNode::mapping(SourceLocation where, std::vector<Entry> entries) {
  auto data = std::make_shared<Data>();
  data->kind = Kind::mapping;
  data->where = std::move(where);
  data->entries = std::move(entries);
  constexpr std::size_t small = 16;
  if (data->entries.size() > small) {
    for (std::size_t i = 0; i < data->entries.size(); ++i) data->index.emplace(data->entries[i].key, i);
  }
  YamlNode node;
  node.data_ = std::move(data);
  return node;
}

YamlNode::Kind YamlNode::kind() const { return data_ ? data_->kind : Kind::null; }

const SourceLocation& YamlNode::where() const {
  static const SourceLocation nowhere;
  return data_ ? data_->where : nowhere;
}

const std::string& YamlNode::text() const {
  static const std::string none;
  return data_ ? data_->text : none;
}

bool YamlNode::is_plain() const { return data_ && data_->plain; }

const std::vector<YamlNode>& YamlNode::items() const {
  static const std::vector<YamlNode> none;
  return data_ ? data_->items : none;
}

const std::vector<YamlNode::Entry>& YamlNode::entries() const {
  static const std::vector<Entry> none;
  return data_ ? data_->entries : none;
}

const YamlNode* YamlNode::find(std::string_view key) const {
  if (data_ && !data_->index.empty()) {
    const auto found = data_->index.find(key);
    return found == data_->index.end() ? nullptr : &data_->entries[found->second].value;
  }
  for (const Entry& entry : entries()) {
    if (entry.key == key) return &entry.value;
  }
  return nullptr;
}

std::string_view describe(YamlNode::Kind kind) {
  switch (kind) {
    case YamlNode::Kind::null:
      return "nothing";
    case YamlNode::Kind::scalar:
      return "a value";
    case YamlNode::Kind::sequence:
      return "a list";
    case YamlNode::Kind::mapping:
      break;
  }
  return "a mapping";
}

}  // namespace gpuplan
