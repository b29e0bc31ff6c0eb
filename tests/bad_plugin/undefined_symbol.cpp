// Needs a function that nobody has.
#include "idle_kind.h"

gpuplan::StepKind* nobody_has_this();
BAD_PLUGIN_EXPORT gpuplan_plugin = {
    gpuplan::gpuplan_plugin_magic, sizeof(GpuplanPlugin), GPUPLAN_BUILD_TAG, "idle", "", nobody_has_this};
