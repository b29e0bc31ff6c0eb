// A kind that could not stand in an address.
#include "idle_kind.h"

using bad_plugin::IdleKind;
GPUPLAN_PLUGIN(IdleKind, "Idle Kind", "");
