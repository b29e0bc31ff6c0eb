// A program that is run to be measured.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace bench {

struct Cost {
  double seconds = 0;          // from before its start until it was waited for
  std::int64_t peak_kib = 0;   // largest resident set
  std::string output;          // its stdout
};

// Runs `words` in `directory`, its stderr discarded. Throws std::runtime_error if it cannot be started
// or ends with anything but 0. The caller must be small: the kernel counts what it has as the child's
// until the child's program begins.
Cost run_child(const std::vector<std::string>& words, const std::string& directory);

// The one of several runs that is in the middle, each figure for itself; the output of the first. One
// more run, which is not counted, comes before them.
Cost median_of(std::size_t runs, const std::vector<std::string>& words, const std::string& directory);

double median(std::vector<double> values);

// The full path of a program on PATH; nothing if it is not installed.
std::optional<std::string> find_program(const std::string& name);

}  // namespace bench
