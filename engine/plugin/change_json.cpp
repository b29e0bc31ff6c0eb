#include "plugin/change_json.h"

#include <fmt/format.h>

#include <set>

#include "digest/digest.h"

namespace gpuplan {
namespace {

using Names = std::set<std::string, std::less<>>;

constexpr std::string_view secret_prefix = "sha256:";

bool is_stored_secret(const std::string& text) {
  return text.size() == secret_prefix.size() + 64 && text.compare(0, secret_prefix.size(), secret_prefix) == 0 &&
         text.find_first_not_of("0123456789abcdef", secret_prefix.size()) == std::string::npos;
}

Names sensitive_names(const Change& change) {
  Names names(change.sensitive.begin(), change.sensitive.end());
  for (const AttributeChange& attribute : change.attributes) {
    if (attribute.sensitive) names.insert(attribute.name);
  }
  return names;
}

Attributes stored(const Attributes& attributes, const Names& sensitive) {
  Attributes out = attributes;
  for (const auto& [name, value] : attributes) {
    if (sensitive.count(name) != 0) out.set(name, stored_secret(value));
  }
  return out;
}

Json to_json(const std::vector<std::string>& texts) { return gpuplan::to_json(Value(texts)); }

Json to_json(const AttributeChange& attribute, const Names& sensitive) {
  const bool secret = sensitive.count(attribute.name) != 0;
  return {{"name", attribute.name},
          {"before", gpuplan::to_json(secret ? stored_secret(attribute.before) : attribute.before)},
          {"after", gpuplan::to_json(secret ? stored_secret(attribute.after) : attribute.after)},
          {"known", attribute.known},
          {"sensitive", attribute.sensitive},
          {"forces_replace", attribute.forces_replace}};
}

// Reads the members of one object; `what` names it in errors.
class ObjectReader {
 public:
  ObjectReader(const Json& json, std::string_view what) : json_(json), what_(what) {
    if (!json.is_object()) throw JsonError(fmt::format("{} is an object, not {}", what, json.type_name()));
  }

  const Json& member(const char* name) const {
    const auto at = json_.find(name);
    if (at == json_.end()) throw JsonError(fmt::format("{} has no member `{}`", what_, name));
    return *at;
  }
  std::string text(const char* name) const { return typed(name, &Json::is_string, "a text").get<std::string>(); }
  bool flag(const char* name) const { return typed(name, &Json::is_boolean, "true or false").get<bool>(); }
  const Json& list(const char* name) const { return typed(name, &Json::is_array, "a list"); }
  std::vector<std::string> texts(const char* name) const {
    const Json& items = list(name);
    std::vector<std::string> out;
    out.reserve(items.size());
    for (const Json& item : items) {
      if (!item.is_string()) fail(name, "a list of texts");
      out.push_back(item.get<std::string>());
    }
    return out;
  }
  Address address(const char* name) const { return address_from(text(name), name); }
  std::vector<Address> addresses(const char* name) const {
    const std::vector<std::string> items = texts(name);
    std::vector<Address> out;
    out.reserve(items.size());
    for (const std::string& item : items) out.push_back(address_from(item, name));
    return out;
  }
  [[noreturn]] void fail(const char* name, std::string_view wanted) const {
    throw JsonError(fmt::format("{}: member `{}` must be {}", what_, name, wanted));
  }

 private:
  const Json& typed(const char* name, bool (Json::*is)() const noexcept, std::string_view wanted) const {
    const Json& value = member(name);
    if (!(value.*is)()) fail(name, wanted);
    return value;
  }
  Address address_from(const std::string& text, const char* name) const {
    if (text.empty()) return {};
    const auto address = Address::parse(text);
    if (!address) fail(name, "an address");
    return *address;
  }

  const Json& json_;
  std::string_view what_;
};

AttributeChange attribute_from_json(const Json& json) {
  const ObjectReader reader(json, "an attribute of a stored change");
  return {reader.text("name"),
          value_from_json(reader.member("before")),
          value_from_json(reader.member("after")),
          reader.flag("known"),
          reader.flag("sensitive"),
          reader.flag("forces_replace")};
}

}  // namespace

Value stored_secret(const Value& value) {
  if (std::holds_alternative<std::monostate>(value)) return value;
  const auto* text = std::get_if<std::string>(&value);
  if (text && is_stored_secret(*text)) return value;
  const std::string bytes = to_json(value).dump(-1, ' ', false, Json::error_handler_t::replace);
  return std::string(secret_prefix) + sha256_hex(bytes);
}

Json to_json(const std::vector<Address>& addresses) {
  Json out = Json::array();
  for (const Address& address : addresses) out.push_back(address.to_string());
  return out;
}

Json to_json(const Resource& resource) {
  return {{"address", resource.address.to_string()},
          {"declared", to_json(resource.declared)},
          {"depends_on", to_json(resource.depends_on)},
          {"lives_in", to_json(resource.lives_in)}};
}

Json to_json(const Observation& observation) {
  Json read_from = Json::object();
  for (const auto& [name, place] : observation.read_from) read_from[name] = place;
  return {{"exists", observation.exists},
          {"attributes", to_json(observation.attributes)},
          {"read_from", std::move(read_from)},
          {"unreadable", to_json(observation.unreadable)}};
}

Resource stored_resource(const Change& change) {
  Resource resource = change.resource;
  resource.declared = stored(resource.declared, sensitive_names(change));
  resource.where.reset();
  return resource;
}

Json to_json(const Change& change) {
  const Names sensitive = sensitive_names(change);
  Observation before = change.before;
  before.attributes = stored(before.attributes, sensitive);
  Json attributes = Json::array();
  for (const AttributeChange& attribute : change.attributes) attributes.push_back(to_json(attribute, sensitive));
  return {{"address", change.address.to_string()},
          {"action", to_string(change.action)},
          {"resource", to_json(stored_resource(change))},
          {"before", to_json(before)},
          {"reasons", to_json(change.reasons)},
          {"attributes", std::move(attributes)},
          {"notes", to_json(change.notes)},
          {"has_withdraw", change.has_withdraw},
          {"has_apply", change.has_apply},
          {"has_commit", change.has_commit},
          {"withdraw_is_irreversible", change.withdraw_is_irreversible},
          {"needs_reboot", change.needs_reboot},
          {"irreversible", to_json(change.irreversible)},
          {"sensitive", to_json(change.sensitive)}};
}

Resource resource_from_json(const Json& json) {
  const ObjectReader reader(json, "a stored resource");
  Resource resource;
  resource.address = reader.address("address");
  resource.declared = attributes_from_json(reader.member("declared"));
  resource.depends_on = reader.addresses("depends_on");
  resource.lives_in = reader.addresses("lives_in");
  return resource;
}

Observation observation_from_json(const Json& json) {
  const ObjectReader reader(json, "a stored observation");
  Observation observation;
  observation.exists = reader.flag("exists");
  observation.attributes = attributes_from_json(reader.member("attributes"));
  if (!reader.member("read_from").is_object()) reader.fail("read_from", "an object of texts");
  for (const auto& [name, place] : reader.member("read_from").items()) {
    if (!place.is_string()) reader.fail("read_from", "an object of texts");
    observation.read_from[name] = place.get<std::string>();
  }
  observation.unreadable = reader.texts("unreadable");
  return observation;
}

Change change_from_json(const Json& json) {
  const ObjectReader reader(json, "a stored change");
  Change change;
  change.address = reader.address("address");
  const auto action = action_from_string(reader.text("action"));
  if (!action) reader.fail("action", "none, create, update, replace or remove");
  change.action = *action;
  change.resource = resource_from_json(reader.member("resource"));
  change.before = observation_from_json(reader.member("before"));
  change.reasons = reader.texts("reasons");
  for (const Json& attribute : reader.list("attributes")) change.attributes.push_back(attribute_from_json(attribute));
  change.notes = reader.texts("notes");
  change.has_withdraw = reader.flag("has_withdraw");
  change.has_apply = reader.flag("has_apply");
  change.has_commit = reader.flag("has_commit");
  change.withdraw_is_irreversible = reader.flag("withdraw_is_irreversible");
  change.needs_reboot = reader.flag("needs_reboot");
  change.irreversible = reader.texts("irreversible");
  change.sensitive = reader.texts("sensitive");
  return change;
}

}  // namespace gpuplan
