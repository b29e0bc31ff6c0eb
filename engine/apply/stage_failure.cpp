#include "apply/stage_failure.h"

#include <fmt/format.h>

#include "host/host_error.h"
#include "plan/contained_call.h"
#include "plan/schema_check.h"

namespace gpuplan {

StageFailure describe_failure(const std::exception_ptr& thrown) {
  try {
    std::rethrow_exception(thrown);
  } catch (const HostError& error) {
    return {error.what(), error.output_tail()};
  } catch (const PluginDefect& defect) {
    return {defect.what(), fmt::format("{}\n{}", defect.why(), defect.remedy())};
  } catch (const std::exception& error) {
    return {fmt::format("gpuplan itself failed: {}", error.what()), "this is a defect of gpuplan: please report it"};
  }
}

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
