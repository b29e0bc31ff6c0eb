// Compiled with _GLIBCXX_DEBUG, but links: it uses nothing whose name tells. Only the build tag does.
#include "plugin/plugin.h"

extern "C" __attribute__((visibility("default"))) const GpuplanPlugin gpuplan_plugin = {
    gpuplan::gpuplan_plugin_magic, sizeof(GpuplanPlugin), GPUPLAN_BUILD_TAG, "idle", "", nullptr};
