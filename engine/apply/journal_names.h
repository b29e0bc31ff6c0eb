// The names under which the journal stores its states.
#pragma once

#include <optional>
#include <string_view>

#include "apply/journal.h"

namespace gpuplan {

// The inverses of to_string; nothing for any other text.
std::optional<RunStatus> run_status_from_string(std::string_view text);
std::optional<ResourceState> resource_state_from_string(std::string_view text);
std::optional<StageStatus> stage_status_from_string(std::string_view text);

}  // namespace gpuplan
