// A descriptor without a create function.
#include "idle_kind.h"

BAD_PLUGIN_EXPORT gpuplan_plugin = {
    gpuplan::gpuplan_plugin_magic, sizeof(GpuplanPlugin), GPUPLAN_BUILD_TAG, "idle", "", nullptr};
