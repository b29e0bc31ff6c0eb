// Independent pieces of work on several threads.
#pragma once

#include <cstddef>
#include <functional>

namespace gpuplan {

// Calls body(0) … body(count-1), each once, on up to `parallelism` threads, and returns when all are
// done. `body` must not throw.
void for_each_in_parallel(std::size_t count, std::size_t parallelism, const std::function<void(std::size_t)>& body);

}  // namespace gpuplan
