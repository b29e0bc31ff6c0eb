// Typed reading of a YamlNode, with every problem reported at its place.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "yaml/node.h"

namespace gpuplan {

// The text for an error message: cut with "…" after about 60 bytes.
std::string shorten(std::string_view text);
// The same in double quotes.
std::string quote(std::string_view text);

// Scalars. Each adds an error that names `what` ("vm_resources.worker.memory") and returns nothing
// if the node is not of that type. Integers: decimal, plain, without sign prefix '+', within range.
std::optional<std::string> decode_string(const YamlNode& node, std::string_view what, Diagnostics& diagnostics);
std::optional<bool> decode_bool(const YamlNode& node, std::string_view what, Diagnostics& diagnostics);
std::optional<std::int64_t> decode_int(const YamlNode& node, std::string_view what, Diagnostics& diagnostics,
                                       std::int64_t least = std::numeric_limits<std::int64_t>::min(),
                                       std::int64_t most = std::numeric_limits<std::int64_t>::max());
// A duration such as "90s", "15m", "2h" in seconds; a bare number is an error that asks for the unit.
std::optional<std::int64_t> decode_duration(const YamlNode& node, std::string_view what, Diagnostics& diagnostics,
                                            std::int64_t least = 0, std::int64_t most = 1'000'000'000);
std::optional<std::vector<std::string>> decode_string_list(const YamlNode& node, std::string_view what,
                                                           Diagnostics& diagnostics);

// Reads a mapping key by key. Members that are absent or null leave the target as it is. finish()
// reports every key that was never asked for, with "did you mean". Not thread-safe.
class MappingDecoder {
 public:
  // A node that is neither a mapping nor null is an error. `what` is the dotted path of the mapping
  // ("host"), empty for the document.
  MappingDecoder(const YamlNode& node, std::string what, Diagnostics& diagnostics);

  bool valid() const { return valid_; }
  void string(std::string_view key, std::string& target);
  void boolean(std::string_view key, bool& target);
  void integer(std::string_view key, std::int64_t& target, std::int64_t least, std::int64_t most);
  void duration(std::string_view key, std::int64_t& target_seconds, std::int64_t least = 0,
                std::int64_t most = 1'000'000'000);
  void string_list(std::string_view key, std::vector<std::string>& target);
  // One of a closed set; an error lists the choices.
  void choice(std::string_view key, std::string& target, const std::vector<std::string_view>& choices);
  // The member's node for reading by hand; a null pointer if absent or null.
  const YamlNode* node(std::string_view key);
  std::string path(std::string_view key) const;  // "host.accel"
  void finish();

 private:
  YamlNode node_;
  std::string what_;
  Diagnostics& diagnostics_;
  std::set<std::string, std::less<>> known_;
  bool valid_ = true;
};

}  // namespace gpuplan
