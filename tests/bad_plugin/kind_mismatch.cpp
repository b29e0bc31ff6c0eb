// The descriptor and the step kind disagree.
#include "idle_kind.h"

using bad_plugin::IdleKind;
GPUPLAN_PLUGIN(IdleKind, "busy", "");
