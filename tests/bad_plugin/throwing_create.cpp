// create() throws.
#include <stdexcept>

#include "idle_kind.h"

BAD_PLUGIN_EXPORT gpuplan_plugin = {
    gpuplan::gpuplan_plugin_magic, sizeof(GpuplanPlugin), GPUPLAN_BUILD_TAG, "idle", "", []() -> gpuplan::StepKind* {
      throw std::runtime_error("no license");
    }};
