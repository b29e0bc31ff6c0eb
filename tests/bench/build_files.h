// The measured graphs as ninja and make know them.
#pragma once

#include <cstddef>
#include <string>

namespace bench {

// Fills the empty `directory` with build.ninja, Makefile and one file per node of graph_shape(count),
// each younger than those it needs: there is nothing to do.
int write_build_files(std::size_t count, const std::string& directory);

}  // namespace bench
