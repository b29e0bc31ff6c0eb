#include "host/pci/nvidia/services.h"

namespace gpuplan {

std::vector<PackagedProgram> driver_programs() {
  return {{"nvidia-fabricmanager", {"fmpm", "-l"}}, {"nvidia-utils", {"nvidia-smi", "-L"}}};
}

}  // namespace gpuplan
