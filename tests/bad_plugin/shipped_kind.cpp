// A kind whose name a module that ships with gpuplan has.
#include "idle_kind.h"

using bad_plugin::IdleKind;
GPUPLAN_PLUGIN(IdleKind, "vfio-bind", "");
