#include "plan/describe_move.h"

#include <fmt/format.h>

#include "plan/schema_check.h"

namespace gpuplan {

std::string describe_move(const Schema& schema, const Observation& then, const Observation& now) {
  if (then.exists != now.exists) return now.exists ? "it exists now" : "it does not exist any more";
  std::string out;
  const auto add = [&](const std::string& name, const Value* before, const Value* after) {
    if (!out.empty()) out += ", ";
    if (is_sensitive(schema, name)) {
      out += fmt::format("`{}` differs", name);
      return;
    }
    out += fmt::format("`{}` was {} and is {} now", name, before == nullptr ? "(none)" : to_text(*before),
                       after == nullptr ? "(none)" : to_text(*after));
  };
  for (const auto& [name, value] : then.attributes) {
    const Value* after = now.attributes.find(name);
    if (after == nullptr || *after != value) add(name, &value, after);
  }
  for (const auto& [name, value] : now.attributes) {
    if (then.attributes.find(name) == nullptr) add(name, nullptr, &value);
  }
  return out;
}

}  // namespace gpuplan
