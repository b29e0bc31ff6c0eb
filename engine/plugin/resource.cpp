#include "plugin/resource.h"

#include <array>

namespace gpuplan {
namespace {

// The position in each table is the enumerator's value.
constexpr std::array<std::string_view, 5> action_names{"none", "create", "update", "replace", "remove"};
constexpr std::array<std::string_view, 3> stage_names{"withdraw", "apply", "commit"};

template <typename Enum, typename Names>
std::optional<Enum> from_name(std::string_view text, const Names& names) {
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (names[i] == text) return static_cast<Enum>(i);
  }
  return {};
}

}  // namespace

std::string_view to_string(Action action) { return action_names[static_cast<std::size_t>(action)]; }

std::optional<Action> action_from_string(std::string_view text) { return from_name<Action>(text, action_names); }

std::string_view to_string(Stage stage) { return stage_names[static_cast<std::size_t>(stage)]; }

std::optional<Stage> stage_from_string(std::string_view text) { return from_name<Stage>(text, stage_names); }

}  // namespace gpuplan
