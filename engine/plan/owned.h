// The resources that gpuplan made and may therefore change and remove.
#pragma once

#include <cstdint>

#include "json/json.h"
#include "plugin/resource.h"

namespace gpuplan {

struct OwnedResource {
  Resource resource;            // as last declared (without a source location)
  Json origin;                  // what capture() returned when gpuplan first made it
  std::int64_t first_run = 0;
  bool complete = false;        // false: begun by a run that did not get to its end
  bool withdrawal_begun = false;  // see Prior
  bool commit_due = false;        // likewise
};

}  // namespace gpuplan
