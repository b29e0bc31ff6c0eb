// Columns of text, as wide as their widest cell.
#pragma once

#include <string>
#include <vector>

namespace gpuplan {

// The rows, the first of which is the heading, one line each; cells are two blanks apart. Thread-safe.
std::string print_table(const std::vector<std::vector<std::string>>& rows);

}  // namespace gpuplan
