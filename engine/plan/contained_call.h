// Calls into plugins whose failures become values.
#pragma once

#include <functional>
#include <optional>
#include <string_view>

#include "plugin/address.h"
#include "report/diagnostic.h"

namespace gpuplan {

// Runs `call`, which calls `entry_point` of the step kind `kind` for `address` (empty: for none). A
// HostError becomes an error about the host; any other exception but Interrupted, which passes, an
// error about the plugin, in words for its author.
std::optional<Diagnostic> contained_call(std::string_view kind, std::string_view entry_point, const Address& address,
                                         const std::function<void()>& call);

}  // namespace gpuplan
