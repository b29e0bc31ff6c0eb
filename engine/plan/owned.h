// The resources that gpuplan made and may therefore change and remove.
#pragma once

#include <cstdint>

#include "json/json.h"
#include "plugin/step_kind.h"

namespace gpuplan {

struct OwnedResource {
  Resource resource;            // as last declared (without a source location)
  Json origin;                  // what capture() returned when gpuplan first made it
  std::int64_t first_run = 0;
  bool complete = false;        // false: begun by a run that did not get to its end
  bool withdrawal_begun = false;  // see Prior
  bool commit_due = false;        // likewise
  bool is_gone = false;           // what it lived in was made anew since, by a run that did not end well
};

// What checks and observations are told of it.
inline Prior prior_of(const OwnedResource& owned) {
  return {true, owned.is_gone ? Attributes() : owned.resource.declared, owned.withdrawal_begun, owned.commit_due,
          owned.complete && !owned.is_gone, !owned.complete};
}

}  // namespace gpuplan
