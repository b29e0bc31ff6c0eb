// Completes a spec with what only the host knows.
#pragma once

#include "host/ports.h"
#include "report/diagnostic.h"
#include "spec/spec.h"

namespace gpuplan {

// `gpus: auto` becomes the host's GPUs in BDF order, filtered by gpu_device_ids, and the GPU indexes
// of the workers are checked against their number. Other specs stay as they are. Problems are added
// to `diagnostics`; may throw HostError.
void resolve_gpus(Spec& spec, HostReader& host, Diagnostics& diagnostics);

}  // namespace gpuplan
