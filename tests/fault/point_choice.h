// Which points of a scenario are tried.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "trial.h"

namespace crash_matrix {

// The points of one row of the matrix.
struct Row {
  std::string fault;  // "call kill"
  int all = 0;        // points of that kind that the run has; 0: random ones
  std::vector<Point> points;
};

// Every row of the scenario. Without `full` the long ones are sampled: evenly, from a place that `seed` decides.
// Random double faults, of which `seed` decides as well, are for `full` alone. The same arguments give the same points.
std::vector<Row> choose_points(const Prepared& prepared, bool full, std::uint64_t seed);

}  // namespace crash_matrix
