#include "plan/schema_check.h"

#include <fmt/format.h>

#include <algorithm>

#include "plan/contained_call.h"

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

std::string_view type_word(ValueType type) {
  switch (type) {
    case ValueType::boolean: return "a boolean";
    case ValueType::integer: return "an integer";
    case ValueType::text: break;
    case ValueType::list: return "a list";
  }
  return "a text";
}

// `did` follows "expand() of `motd` ".
void defect(const StepKinds::Entry& plugin, const Address& address, std::string_view entry_point,
            const std::string& did, Diagnostics& diagnostics) {
  diagnostics.add({Severity::error, fmt::format("{}() of `{}` {}", entry_point, plugin.kind->kind(), did),
                   fmt::format("{} breaks the rules of step kinds", module_words(plugin)), author_remedy(plugin),
                   address.to_string(), std::nullopt});
}

void check_attributes(const StepKinds::Entry& plugin, const Address& address, std::string_view entry_point,
                      const Attributes& attributes, bool declared, Diagnostics& diagnostics) {
  for (const auto& [name, value] : attributes) {
    const AttributeSchema* schema = find(plugin.kind->schema(), name);
    if (schema == nullptr) {
      defect(plugin, address, entry_point, fmt::format("returned the attribute `{}`, which its schema lacks", name),
             diagnostics);
    } else if (!has_type(value, schema->type)) {
      defect(plugin, address, entry_point,
             fmt::format("returned a `{}` that is not {}, as its schema says", name, type_word(schema->type)),
             diagnostics);
    } else if (declared && schema->computed) {
      defect(plugin, address, entry_point, fmt::format("declared `{}`, which its schema calls computed", name),
             diagnostics);
    }
  }
}

}  // namespace

bool is_sensitive(const Schema& schema, std::string_view attribute) {
  const AttributeSchema* found = find(schema, attribute);
  return found != nullptr && found->sensitive;
}

void check_resource(const StepKinds::Entry& plugin, const Resource& resource, Diagnostics& diagnostics) {
  if (resource.address.kind() != plugin.kind->kind()) {
    defect(plugin, resource.address, "expand", "returned an address of another kind", diagnostics);
  }
  check_attributes(plugin, resource.address, "expand", resource.declared, true, diagnostics);
}

void check_observation(const StepKinds::Entry& plugin, const Address& address, const Observation& observed,
                       Diagnostics& diagnostics) {
  check_attributes(plugin, address, "observe", observed.attributes, false, diagnostics);
}

void check_change(const StepKinds::Entry& plugin, const Change& change, Diagnostics& diagnostics) {
  const auto wrong = [&](const std::string& what) {
    defect(plugin, change.address, "compare", "returned " + what, diagnostics);
  };
  if (change.action == Action::remove) wrong("the action remove, which only the planner may choose");
  if (change.action == Action::none && (change.has_withdraw || change.has_apply || change.has_commit)) {
    wrong("a change that does nothing but has stages");
  }
  const bool makes =
      change.action == Action::create || change.action == Action::update || change.action == Action::replace;
  if (makes && !change.has_apply) wrong(fmt::format("the action {} without an apply stage", to_string(change.action)));
  for (const AttributeChange& attribute : change.attributes) {
    if (find(plugin.kind->schema(), attribute.name) == nullptr) {
      wrong(fmt::format("a change of `{}`, which its schema lacks", attribute.name));
    }
  }
}

void require_sound(const StepKinds::Entry& plugin, const Address& address, const Observation& observed) {
  Diagnostics problems;
  check_observation(plugin, address, observed, problems);
  if (!problems.has_errors()) return;
  const Diagnostic& first = problems.items().front();
  throw PluginDefect(first.summary, first.why, first.remedy);
}

}  // namespace gpuplan
