#include "plan/schema_check.h"

#include <fmt/format.h>

#include <algorithm>

namespace gpuplan {
namespace {

const AttributeSchema* find(const Schema& schema, std::string_view name) {
  const auto found = std::find_if(schema.begin(), schema.end(), [&](const auto& item) { return item.name == name; });
  return found == schema.end() ? nullptr : &*found;
}

bool has_type(const Value& value, ValueType type) {
  if (std::holds_alternative<std::monostate>(value)) return true;
  switch (type) {
    case ValueType::boolean: return std::holds_alternative<bool>(value);
    case ValueType::integer: return std::holds_alternative<std::int64_t>(value);
    case ValueType::text: return std::holds_alternative<std::string>(value);
    case ValueType::list: return std::holds_alternative<std::vector<std::string>>(value);
  }
  return false;
}

void defect(const StepKind& kind, const Address& address, std::string summary, Diagnostics& diagnostics) {
  diagnostics.add({Severity::error, std::move(summary), fmt::format("the plugin for `{}` breaks its own schema", kind.kind()),
                   "report this to the author of the plugin; `gpuplan plugins` shows where it was loaded from",
                   address.to_string(), std::nullopt});
}

void check_attributes(const StepKind& kind, const Address& address, std::string_view entry_point,
                      const Attributes& attributes, bool declared, Diagnostics& diagnostics) {
  for (const auto& [name, value] : attributes) {
    const AttributeSchema* schema = find(kind.schema(), name);
    if (schema == nullptr) {
      defect(kind, address, fmt::format("{}() returned the attribute `{}`, which its schema lacks", entry_point, name), diagnostics);
    } else if (!has_type(value, schema->type)) {
      defect(kind, address, fmt::format("{}() returned `{}` with another type than its schema says", entry_point, name), diagnostics);
    } else if (declared && schema->computed) {
      defect(kind, address, fmt::format("expand() declared `{}`, which its schema calls computed", name), diagnostics);
    }
  }
}

}  // namespace

bool is_sensitive(const Schema& schema, std::string_view attribute) {
  const AttributeSchema* found = find(schema, attribute);
  return found != nullptr && found->sensitive;
}

void check_resource(const StepKind& kind, const Resource& resource, Diagnostics& diagnostics) {
  if (resource.address.kind() != kind.kind()) {
    defect(kind, resource.address, fmt::format("expand() of `{}` returned an address of another kind", kind.kind()), diagnostics);
  }
  check_attributes(kind, resource.address, "expand", resource.declared, true, diagnostics);
}

void check_observation(const StepKind& kind, const Address& address, const Observation& observed,
                       Diagnostics& diagnostics) {
  check_attributes(kind, address, "observe", observed.attributes, false, diagnostics);
}

void check_change(const StepKind& kind, const Change& change, Diagnostics& diagnostics) {
  const auto wrong = [&](const std::string& what) { defect(kind, change.address, "compare() returned " + what, diagnostics); };
  if (change.action == Action::remove) wrong("the action remove, which only the planner may choose");
  if (change.action == Action::none && (change.has_withdraw || change.has_apply || change.has_commit)) {
    wrong("a change that does nothing but has stages");
  }
  const bool makes = change.action == Action::create || change.action == Action::update || change.action == Action::replace;
  if (makes && !change.has_apply) wrong(fmt::format("the action {} without an apply stage", to_string(change.action)));
  for (const AttributeChange& attribute : change.attributes) {
    if (find(kind.schema(), attribute.name) == nullptr) {
      wrong(fmt::format("a change of `{}`, which its schema lacks", attribute.name));
    }
  }
}

}  // namespace gpuplan
