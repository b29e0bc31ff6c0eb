// What the core demands of the values that a plugin hands over.
#pragma once

#include "plan/step_kinds.h"
#include "report/diagnostic.h"

namespace gpuplan {

// Each adds one error per violation, in words for the plugin's author, naming module, kind, address and
// attribute.
void check_resource(const StepKinds::Entry& plugin, const Resource& resource, Diagnostics& diagnostics);
void check_observation(const StepKinds::Entry& plugin, const Address& address, const Observation& observed,
                       Diagnostics& diagnostics);
void check_change(const StepKinds::Entry& plugin, const Change& change, Diagnostics& diagnostics);
// Throws the first problem of check_observation as a PluginDefect.
void require_sound(const StepKinds::Entry& plugin, const Address& address, const Observation& observed);

bool is_sensitive(const Schema& schema, std::string_view attribute);

}  // namespace gpuplan
