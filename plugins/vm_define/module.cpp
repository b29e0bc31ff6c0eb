#include "plugin/plugin.h"
#include "vm_define.h"

GPUPLAN_PLUGIN(gpuplan::vm_define::VmDefine, "vm-define",
               "defines, changes and removes the virtual machines of the cluster");
