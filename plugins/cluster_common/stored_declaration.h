// Declared attributes that all resources inside a cluster carry, so that each can still be reached
// once the spec does not mention it any more.
#pragma once

#include "plugin/step_kind.h"

namespace gpuplan::cluster {

// "control_plane" and "control_plane_address" as a target.
GuestTarget control_plane_of(const Attributes& declared);

// For a guest that is off: what gpuplan left on its disk is taken to be there still, until it can be read.
Observation assumed_as_declared(const Attributes& declared, const std::string& why);

}  // namespace gpuplan::cluster
