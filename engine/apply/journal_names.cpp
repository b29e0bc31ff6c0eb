#include "apply/journal_names.h"

#include <array>

namespace gpuplan {
namespace {

// The position in each table is the enumerator's value.
constexpr std::array<std::string_view, 6> run_names{"running",     "succeeded",   "failed",
                                                         "interrupted", "rolled_back", "reboot_required"};
constexpr std::array<std::string_view, 10> resource_names{"pending",     "unchanged", "created", "updated",
                                                          "replaced",    "removed",   "failed",  "skipped",
                                                          "interrupted", "undone"};
constexpr std::array<std::string_view, 7> stage_names{"planned",    "begun",  "done",       "failed",
                                                      "undo_begun", "undone", "undo_failed"};

template <typename Enum, typename Names>
std::optional<Enum> from_name(std::string_view text, const Names& names) {
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (names[i] == text) return static_cast<Enum>(i);
  }
  return {};
}

}  // namespace

std::string_view to_string(RunStatus status) { return run_names[static_cast<std::size_t>(status)]; }

std::string_view to_string(ResourceState state) { return resource_names[static_cast<std::size_t>(state)]; }

std::string_view to_string(StageStatus status) { return stage_names[static_cast<std::size_t>(status)]; }

std::optional<RunStatus> run_status_from_string(std::string_view text) {
  return from_name<RunStatus>(text, run_names);
}

std::optional<ResourceState> resource_state_from_string(std::string_view text) {
  return from_name<ResourceState>(text, resource_names);
}

std::optional<StageStatus> stage_status_from_string(std::string_view text) {
  return from_name<StageStatus>(text, stage_names);
}

}  // namespace gpuplan
