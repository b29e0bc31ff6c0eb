// What the core demands of the values that a plugin hands over.
#pragma once

#include "plugin/step_kind.h"
#include "report/diagnostic.h"

namespace gpuplan {

// Each adds one error per violation, in words for the plugin's author, naming kind, address and attribute.
void check_resource(const StepKind& kind, const Resource& resource, Diagnostics& diagnostics);
void check_observation(const StepKind& kind, const Address& address, const Observation& observed,
                       Diagnostics& diagnostics);
void check_change(const StepKind& kind, const Change& change, Diagnostics& diagnostics);

bool is_sensitive(const Schema& schema, std::string_view attribute);

}  // namespace gpuplan
