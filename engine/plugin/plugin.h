// Everything a plugin module includes. See plugins/README.md.
#pragma once

#include <cstdint>

#include "plugin/build_tag.h"
#include "plugin/step_kind.h"

extern "C" {

// What a module exports under the name `gpuplan_plugin`: plain data, checked before any function of
// the module is called.
struct GpuplanPlugin {
  std::uint32_t magic;        // gpuplan_plugin_magic
  std::uint32_t size;         // sizeof(GpuplanPlugin)
  const char* build_tag;      // GPUPLAN_BUILD_TAG: must be that of the gpuplan that loads it
  const char* kind;           // "vfio-bind"
  const char* summary;        // one line for `gpuplan plugins`
  gpuplan::StepKind* (*create)();
};

}  // extern "C"

namespace gpuplan {
inline constexpr std::uint32_t gpuplan_plugin_magic = 0x47505031;  // "GPP1"
}

// Defines the descriptor of a module whose step kind is the default-constructible `Type`.
#define GPUPLAN_PLUGIN(Type, kind_name, summary_text)                                                     \
  extern "C" __attribute__((visibility("default"))) const GpuplanPlugin gpuplan_plugin = {                \
      gpuplan::gpuplan_plugin_magic, sizeof(GpuplanPlugin), GPUPLAN_BUILD_TAG, kind_name, summary_text,   \
      []() -> gpuplan::StepKind* { return new (Type); }}
