// Declared attributes that all resources inside a cluster carry, so that each can still be reached
// once the spec does not mention it any more.
#pragma once

#include "plugin/step_kind.h"

namespace gpuplan::cluster {

// "control_plane", "control_plane_address" and "control_plane_login" as a target.
GuestTarget control_plane_of(const Attributes& declared);
// Declares the first two, and the third where the control plane is a machine.
void declare_control_plane(Attributes& declared, const ControlPlaneSpec& control_plane);
// How a machine is logged in to, and where a chart or manifest came from, is nothing that it could show: it is what the last
// apply was told.
void observe_what_was_told(Observation& observed, const Resource& resource, const Prior& prior);

// For a guest that is off: what gpuplan left on its disk is taken to be there still, until it can be read.
Observation assumed_as_declared(const Attributes& declared, const std::string& why);

}  // namespace gpuplan::cluster
