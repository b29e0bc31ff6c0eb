// Attribute values and named sets of them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "json/json.h"

namespace gpuplan {

// The closed set of types that an attribute can have. std::monostate: no value.
using Value = std::variant<std::monostate, bool, std::int64_t, std::string, std::vector<std::string>>;

Json to_json(const Value& value);
// Throws JsonError for a shape that no Value has (objects, nested lists, fractions).
Value value_from_json(const Json& json);
// For people: nvidia, 8192, true, [a, b], (none).
std::string to_text(const Value& value);

// Name → value, ordered by name. A flat vector: resources are many, their attributes few.
class Attributes {
 public:
  using Item = std::pair<std::string, Value>;

  Attributes() = default;
  Attributes(std::initializer_list<Item> items);

  void reserve(std::size_t count) { items_.reserve(count); }
  void set(std::string_view name, Value value);
  void erase(std::string_view name);
  // A null pointer if the name is not there.
  const Value* find(std::string_view name) const;
  // Typed access: the fallback if the name is absent or of another type.
  std::string text(std::string_view name, std::string_view fallback = "") const;
  std::int64_t number(std::string_view name, std::int64_t fallback = 0) const;
  bool flag(std::string_view name, bool fallback = false) const;
  std::vector<std::string> list(std::string_view name) const;

  bool empty() const { return items_.empty(); }
  std::size_t size() const { return items_.size(); }
  std::vector<Item>::const_iterator begin() const { return items_.begin(); }
  std::vector<Item>::const_iterator end() const { return items_.end(); }
  bool operator==(const Attributes&) const = default;

 private:
  std::vector<Item> items_;
};

Json to_json(const Attributes& attributes);
Attributes attributes_from_json(const Json& json);  // throws JsonError

}  // namespace gpuplan
