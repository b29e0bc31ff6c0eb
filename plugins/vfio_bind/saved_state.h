// What a GPU was like before it was taken: enough to give it back.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "host/pci/pci.h"
#include "json/json.h"
#include "spec/bdf.h"

namespace gpuplan::vfio_bind {

struct SavedFunction {
  Bdf address;
  std::string driver;           // empty: none
  std::string driver_override;  // empty: none
  std::string power_control;    // of sysfs: "on" or "auto"; empty: not known
};

// All functions of a slot. Services that are stopped for it are not part of it: several GPUs share
// them (services.h).
struct SavedState {
  std::vector<SavedFunction> functions;
  bool persistence = false;  // its driver kept it initialized
  bool bound_at_boot = false;  // it was bound to vfio-pci at each boot already
  // Fabric Manager's id of the GPU, which nobody can tell while vfio-pci has it; only where it matters.
  std::optional<std::int64_t> module;
};

// {"functions": [{"address", "driver", "driver_override", "power_control"}], "persistence": …, "bound_at_boot": …, "module": …}
Json to_json(const SavedState& state);
// Members that are missing or of another type are taken as empty; a null value is an empty state.
SavedState saved_state_from_json(const Json& json);

// Reads it from the host as it is now. Read-only.
SavedState read_state(const Bdf& gpu, HostReader& host);

// The file that says whether a function may sleep while nobody uses it: "auto", or "on" for never.
// Source: Linux Documentation/ABI/testing/sysfs-devices-power.
std::string power_control_of(const Bdf& address);

// The drivers of a slot's functions as one text: "vfio-pci" if all are on it, else each function's
// driver in order: "nvidia, snd_hda_intel", "none (driver_override vfio-pci)".
std::string driver_text(const std::vector<PciFunction>& functions);

}  // namespace gpuplan::vfio_bind
