// Runs the real gpuplan and measures what it took.
#pragma once

#include <string>
#include <vector>

struct MeasuredRun {
  int exit_code = 0;          // 128+N if it was killed by signal N, -1 if it could not be started
  double seconds = 0;         // of processor time, which does not depend on what else the machine does
  double peak_mebibytes = 0;  // resident memory; at least that of the test itself, which the child starts as
  std::string out;
  std::string err;
};

// `gpuplan WORDS…` in `directory`, without a terminal. The state directory and the outputs are in `scratch`.
MeasuredRun measured_run(const std::vector<std::string>& words, const std::string& directory,
                         const std::string& scratch);
std::string read_file(const std::string& path);
