// Completes a spec with what only the host knows.
#pragma once

#include <vector>

#include "host/ports.h"
#include "plan/owned.h"
#include "report/diagnostic.h"
#include "spec/spec.h"

namespace gpuplan {

// `gpus: auto` becomes the host's GPUs in BDF order, filtered by gpu_device_ids, and the GPU indexes
// of the workers are checked against their number. Other specs stay as they are. Problems are added
// to `diagnostics`; may throw HostError.
void resolve_gpus(Spec& spec, HostReader& host, Diagnostics& diagnostics);

// A worker without a number keeps the address that it was made with, so that adding or removing
// others moves nobody: those that `owned` knows get theirs back, the rest the lowest free ones.
// Explicit addresses and those that follow from a number stay as they are. A kept address outside
// network.cidr is not kept. No free address is an error in `diagnostics`.
void keep_addresses(Spec& spec, const std::vector<OwnedResource>& owned, Diagnostics& diagnostics);

}  // namespace gpuplan
