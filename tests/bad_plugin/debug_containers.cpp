// Compiled with _GLIBCXX_DEBUG: its containers are others, and so are the functions it needs.
#include "idle_kind.h"

using bad_plugin::IdleKind;
GPUPLAN_PLUGIN(IdleKind, "idle", "");
