#include <fmt/format.h>

#include <algorithm>

#include "plugin/change_json.h"
#include "plugin/step_kind.h"

namespace gpuplan {
namespace {

const Value none{};

const Value& value_of(const Attributes& attributes, const std::string& name) {
  const Value* value = attributes.find(name);
  return value ? *value : none;
}

std::string with_unit(const Value& value, const AttributeSchema& schema) {
  const bool counts = std::holds_alternative<std::int64_t>(value) && !schema.unit.empty();
  return counts ? to_text(value) + " " + schema.unit : to_text(value);
}

bool could_not_be_read(const Observation& observed, const std::string& name) {
  return std::any_of(observed.unreadable.begin(), observed.unreadable.end(),
                     [&](const std::string& text) { return text.find(name) != std::string::npos; });
}

// A host may only be able to show the fingerprint of a secret.
bool equal(const AttributeSchema& schema, const Value& observed, const Value& declared) {
  return schema.sensitive ? stored_secret(observed) == stored_secret(declared) : observed == declared;
}

std::string reason_for(const AttributeSchema& schema, const Value& is, const Value& wanted,
                       const Observation& observed) {
  if (schema.sensitive) return fmt::format("`{}` is not what the spec says", schema.name);
  const std::string says = with_unit(wanted, schema);
  if (std::holds_alternative<std::monostate>(is)) {
    return could_not_be_read(observed, schema.name)
               ? fmt::format("`{}` could not be read, the spec says {}", schema.name, says)
               : fmt::format("`{}` is not set, the spec says {}", schema.name, says);
  }
  return fmt::format("`{}` is {}, the spec says {}", schema.name, with_unit(is, schema), says);
}

AttributeChange known_later(const AttributeSchema& schema, const Value& before) {
  return {schema.name, before, none, false, schema.sensitive, false};
}

void plan_create(Change& change, const Schema& schema) {
  change.action = Action::create;
  change.has_apply = true;
  change.reasons.emplace_back("does not exist");
  for (const AttributeSchema& attribute : schema) {
    if (attribute.computed) {
      change.attributes.push_back(known_later(attribute, none));
    } else if (const Value* declared = change.resource.declared.find(attribute.name)) {
      change.attributes.push_back({attribute.name, none, *declared, true, attribute.sensitive, false});
    }
  }
}

void plan_update_or_replace(Change& change, const Schema& schema) {
  bool replace = false;
  for (const AttributeSchema& attribute : schema) {
    const Value* declared = change.resource.declared.find(attribute.name);
    if (!declared || attribute.computed) continue;
    const Value& is = value_of(change.before.attributes, attribute.name);
    if (equal(attribute, is, *declared)) continue;
    const bool forces_replace = attribute.on_change == OnChange::replace;
    replace = replace || forces_replace;
    change.reasons.push_back(reason_for(attribute, is, *declared, change.before));
    if (forces_replace) change.reasons.back() += "; it cannot be changed in place";
    change.attributes.push_back({attribute.name, is, *declared, true, attribute.sensitive, forces_replace});
  }
  if (change.attributes.empty()) return;
  change.action = replace ? Action::replace : Action::update;
  change.has_apply = true;
  if (!replace) return;
  change.has_withdraw = true;
  for (const AttributeSchema& attribute : schema) {
    if (attribute.computed) {
      change.attributes.push_back(known_later(attribute, value_of(change.before.attributes, attribute.name)));
    }
  }
}

}  // namespace

std::vector<std::string> sensitive_attributes(const Schema& schema) {
  std::vector<std::string> names;
  for (const AttributeSchema& attribute : schema) {
    if (attribute.sensitive) names.push_back(attribute.name);
  }
  return names;
}

Change compare_by_schema(const Schema& schema, const Resource& resource, const Observation& observed) {
  Change change;
  change.address = resource.address;
  change.resource = resource;
  change.before = observed;
  change.sensitive = sensitive_attributes(schema);
  if (observed.exists) {
    plan_update_or_replace(change, schema);
  } else {
    plan_create(change, schema);
  }
  return change;
}

}  // namespace gpuplan
