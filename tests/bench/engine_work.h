// What the engine is measured at; each runs in a process of its own.
#pragma once

#include <cstddef>
#include <string>

namespace bench {

// Plans `count` resources, all of them owned and as declared, and prints the seconds that plan_apply
// took. Who owns them is read from `journal`; where that is empty, it is known already.
int no_change_plan(std::size_t count, const std::string& journal);

// Applies `count` resources with a new journal at `journal`, and prints the seconds that execute took.
int apply(std::size_t count, const std::string& journal);

// Prints the seconds of one fdatasync after appending a page to a file in `directory`: the median of many.
int sync_cost(const std::string& directory);

}  // namespace bench
