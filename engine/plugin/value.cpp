#include "plugin/value.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "report/diagnostic.h"

namespace gpuplan {
namespace {

struct JsonOfValue {
  Json operator()(std::monostate /*none*/) const { return nullptr; }
  Json operator()(bool value) const { return value; }
  Json operator()(std::int64_t value) const { return value; }
  Json operator()(const std::string& value) const { return value; }
  Json operator()(const std::vector<std::string>& value) const {
    Json list = Json::array();
    for (const std::string& item : value) list.push_back(item);
    return list;
  }
};

std::string shown(const std::string& text) { return text.empty() ? "\"\"" : printable(text); }

struct TextOfValue {
  std::string operator()(std::monostate /*none*/) const { return "(none)"; }
  std::string operator()(bool value) const { return value ? "true" : "false"; }
  std::string operator()(std::int64_t value) const { return std::to_string(value); }
  std::string operator()(const std::string& value) const { return shown(value); }
  std::string operator()(const std::vector<std::string>& value) const {
    std::string out = "[";
    for (const std::string& item : value) {
      if (out.size() > 1) out += ", ";
      out += shown(item);
    }
    return out + "]";
  }
};

std::vector<std::string> list_from_json(const Json& json) {
  std::vector<std::string> list;
  list.reserve(json.size());
  for (const Json& item : json) {
    if (!item.is_string()) {
      throw JsonError(fmt::format("a list of texts is needed, but it holds {}", item.type_name()));
    }
    list.push_back(item.get<std::string>());
  }
  return list;
}

bool name_before(const Attributes::Item& item, std::string_view name) { return item.first < name; }

}  // namespace

Json to_json(const Value& value) { return std::visit(JsonOfValue{}, value); }

Value value_from_json(const Json& json) {
  if (json.is_null()) return {};
  if (json.is_boolean()) return json.get<bool>();
  if (json.is_string()) return json.get<std::string>();
  if (json.is_array()) return list_from_json(json);
  if (json.is_number_unsigned() &&
      json.get<std::uint64_t>() > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
    throw JsonError(fmt::format("{} is too large for a value", json.get<std::uint64_t>()));
  }
  if (json.is_number_integer()) return json.get<std::int64_t>();
  throw JsonError(fmt::format("a value is a boolean, a whole number, a text or a list of texts, not {}",
                              json.is_number_float() ? "a fraction" : "an object"));
}

std::string to_text(const Value& value) { return std::visit(TextOfValue{}, value); }

Attributes::Attributes(std::initializer_list<Item> items) {
  items_.reserve(items.size());
  for (const Item& item : items) set(item.first, item.second);
}

void Attributes::set(std::string_view name, Value value) {
  const auto at = std::lower_bound(items_.begin(), items_.end(), name, name_before);
  if (at != items_.end() && at->first == name) {
    at->second = std::move(value);
  } else {
    items_.emplace(at, std::string(name), std::move(value));
  }
}

void Attributes::erase(std::string_view name) {
  const auto at = std::lower_bound(items_.begin(), items_.end(), name, name_before);
  if (at != items_.end() && at->first == name) items_.erase(at);
}

const Value* Attributes::find(std::string_view name) const {
  const auto at = std::lower_bound(items_.begin(), items_.end(), name, name_before);
  return at != items_.end() && at->first == name ? &at->second : nullptr;
}

std::string Attributes::text(std::string_view name, std::string_view fallback) const {
  const Value* value = find(name);
  const auto* text = value ? std::get_if<std::string>(value) : nullptr;
  return text ? *text : std::string(fallback);
}

std::int64_t Attributes::number(std::string_view name, std::int64_t fallback) const {
  const Value* value = find(name);
  const auto* number = value ? std::get_if<std::int64_t>(value) : nullptr;
  return number ? *number : fallback;
}

bool Attributes::flag(std::string_view name, bool fallback) const {
  const Value* value = find(name);
  const auto* flag = value ? std::get_if<bool>(value) : nullptr;
  return flag ? *flag : fallback;
}

std::vector<std::string> Attributes::list(std::string_view name) const {
  const Value* value = find(name);
  const auto* list = value ? std::get_if<std::vector<std::string>>(value) : nullptr;
  return list ? *list : std::vector<std::string>{};
}

Json to_json(const Attributes& attributes) {
  Json object = Json::object();
  for (const auto& [name, value] : attributes) object[name] = to_json(value);
  return object;
}

Attributes attributes_from_json(const Json& json) {
  if (!json.is_object()) {
    throw JsonError(fmt::format("attributes are an object of names and values, not {}", json.type_name()));
  }
  Attributes attributes;
  attributes.reserve(json.size());
  for (const auto& [name, value] : json.items()) attributes.set(name, value_from_json(value));
  return attributes;
}

}  // namespace gpuplan
