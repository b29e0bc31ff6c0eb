// A YAML document as an immutable tree in which every node knows where it stands.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "report/diagnostic.h"

namespace gpuplan {

// One node: null, scalar, sequence or mapping. Cheap to copy; immutable, so safe to share.
class YamlNode {
 public:
  enum class Kind { null, scalar, sequence, mapping };
  struct Entry;

  YamlNode() = default;  // null, at no place
  static YamlNode null(SourceLocation where);
  // `plain` is true for a scalar without quotes: only such scalars can be numbers or booleans.
  static YamlNode scalar(SourceLocation where, std::string text, bool plain);
  static YamlNode sequence(SourceLocation where, std::vector<YamlNode> items);
  static YamlNode mapping(SourceLocation where, std::vector<Entry> entries);

  Kind kind() const;
  bool is_null() const { return kind() == Kind::null; }
  bool is_scalar() const { return kind() == Kind::scalar; }
  bool is_sequence() const { return kind() == Kind::sequence; }
  bool is_mapping() const { return kind() == Kind::mapping; }

  const SourceLocation& where() const;
  const std::string& text() const;             // of a scalar; empty otherwise
  bool is_plain() const;                       // of a scalar
  const std::vector<YamlNode>& items() const;  // of a sequence; empty otherwise
  const std::vector<Entry>& entries() const;   // of a mapping, in document order; empty otherwise
  // The value under `key`, or a null pointer. Valid as long as this node lives.
  const YamlNode* find(std::string_view key) const;

 private:
  struct Data;
  std::shared_ptr<const Data> data_;
};

struct YamlNode::Entry {
  std::string key;
  SourceLocation key_where;
  YamlNode value;
};

// "a mapping", "a list", "a value", "nothing": for error texts.
std::string_view describe(YamlNode::Kind kind);

}  // namespace gpuplan
