// A history of the toy world: what was there, what was declared one after another, and what went wrong.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "host/guard/guarded_host.h"
#include "property/random_cases.h"
#include "support/toy.h"

namespace property {

using Declared = std::vector<toy::ToyResource>;  // each needs only what stands before it

// What keeps one apply or rollback from its end.
struct Mishap {
  std::vector<gpuplan::Fault> faults;  // of host calls and addresses
  std::int64_t journal_write = 0;      // that fails: as if the process had died there; 0: none
  std::size_t interrupt_at = 0;        // the stage at whose start the user interrupts; 0: none
  bool none() const { return faults.empty() && journal_write == 0 && interrupt_at == 0; }
};

// Something that others do to the host between two runs.
struct Drift {
  std::string name;
  bool gone = false;  // otherwise its color is another
};

struct Attempt {
  Declared declared;
  Mishap mishap;
};

struct Scenario {
  std::uint64_t seed = 0;
  std::size_t parallelism = 1;
  Declared foreign;                // there before gpuplan came; also declared later, or not
  Declared first;                  // applied without a mishap
  std::vector<Drift> drift;        // after that
  std::vector<Attempt> attempts;   // what is applied then, one after another
  Mishap rollback_mishap;          // of the first rollback
};

Scenario random_scenario(std::uint64_t seed);
// Each a little less than `scenario`.
std::vector<Scenario> simpler_scenarios(const Scenario& scenario);
std::string describe(const Scenario& scenario);

}  // namespace property
