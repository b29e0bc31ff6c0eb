// The kind that good.cpp has.
#include "idle_kind.h"

using bad_plugin::IdleKind;
GPUPLAN_PLUGIN(IdleKind, "idle", "does nothing, too");
