#include "plan/parallel.h"

#include <algorithm>
#include <atomic>
#include <thread>
#include <vector>

namespace gpuplan {

void for_each_in_parallel(std::size_t count, std::size_t parallelism, const std::function<void(std::size_t)>& body) {
  std::atomic<std::size_t> next{0};
  const auto work = [&] {
    for (std::size_t i = next++; i < count; i = next++) body(i);
  };
  std::vector<std::thread> threads;
  const std::size_t wanted = std::min(count, std::max<std::size_t>(parallelism, 1));
  for (std::size_t i = 1; i < wanted; ++i) threads.emplace_back(work);
  work();
  for (std::thread& thread : threads) thread.join();
}

}  // namespace gpuplan
