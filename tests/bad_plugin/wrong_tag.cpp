// Built by another compiler, as far as the descriptor says; its create() must never be called.
#include <cstdlib>

#include "idle_kind.h"

BAD_PLUGIN_EXPORT gpuplan_plugin = {gpuplan::gpuplan_plugin_magic,
                                    sizeof(GpuplanPlugin),
                                    "gpuplan 0.0.1; compiler 4.8",
                                    "idle",
                                    "",
                                    []() -> gpuplan::StepKind* { std::abort(); }};
