// Builds the tree of one document from yaml-cpp's events.
#pragma once

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/mark.h>

#include <string>
#include <unordered_map>
#include <vector>

#include "yaml/parse.h"
#include "yaml/text_check.h"

namespace gpuplan {

// Thrown through yaml-cpp to end parsing after a diagnostic has been added.
struct StopParsing {};

// Not thread-safe. Refuses what parse_yaml() refuses; keeps going where the tree stays meaningful.
class TreeBuilder : public YAML::EventHandler {
 public:
  TreeBuilder(PlaceFinder& places, Diagnostics& diagnostics, const YamlLimits& limits);

  YamlNode take_root() { return std::move(root_); }
  // The start of the innermost list or mapping in brackets that is still open; nothing outside of such.
  std::optional<SourceLocation> open_bracket() const;

  void OnDocumentStart(const YAML::Mark& mark) override;
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override;
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override;
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override;
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value style) override;
  void OnSequenceEnd() override;
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value style) override;
  void OnMapEnd() override;

 private:
  // A list or mapping whose end has not come yet.
  struct Frame {
    bool is_mapping = false;
    bool in_brackets = false;
    bool is_key = false;  // a list or mapping in the place of a key: an error, its content is dropped
    SourceLocation where;
    std::vector<YamlNode> items;
    std::vector<YamlNode::Entry> entries;
    std::unordered_map<std::string, SourceLocation> seen;
    bool has_key = false;
    bool drop_value = false;  // the key was refused
    std::string key;
    SourceLocation key_where;
    std::size_t key_end = 0;  // offset behind the key
  };

  // Where a scalar stands and the offset behind it.
  struct Extent {
    SourceLocation where;
    std::size_t end = 0;
  };

  SourceLocation place(const YAML::Mark& mark);
  // Of an absent list item: its dash, while yaml-cpp names the token behind it.
  SourceLocation place_of_item(const YAML::Mark& mark);
  Extent extent(const YAML::Mark& mark, const std::string& value);
  bool refuse_escapes(const SourceLocation& where, const std::string& value);
  void drop_key(const SourceLocation& where);
  void check_colon(const Frame& frame);
  void check_properties(const SourceLocation& where, const std::string& tag, YAML::anchor_t anchor);
  void count_node(const SourceLocation& where);
  void error(const SourceLocation& where, std::string summary, std::string remedy);
  bool wants_key() const;
  void add_key(const Extent& extent, const std::string& text, bool plain);
  void add_value(YamlNode node);
  void open(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, bool is_mapping, bool in_brackets);
  void close();

  PlaceFinder& places_;
  Diagnostics& diagnostics_;
  YamlLimits limits_;
  std::vector<Frame> frames_;
  YamlNode root_;
  std::size_t nodes_ = 0;
  std::size_t errors_ = 0;
  bool started_ = false;
};

}  // namespace gpuplan
