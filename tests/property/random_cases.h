// Random cases that can be run again: a case is its seed.
#pragma once

#include <cstdint>
#include <functional>
#include <random>
#include <string>
#include <vector>

namespace property {

// The same seed gives the same choices with every standard library (its distributions would not).
class Random {
 public:
  explicit Random(std::uint64_t seed) : engine_(seed) {}
  std::size_t below(std::size_t limit) { return limit == 0 ? 0 : engine_() % limit; }
  std::size_t between(std::size_t least, std::size_t most) { return least + below(most - least + 1); }
  bool chance(std::size_t percent) { return below(100) < percent; }
  template <typename Item>
  const Item& pick(const std::vector<Item>& items) {
    return items[below(items.size())];
  }
  template <typename Item>
  void shuffle(std::vector<Item>& items) {
    for (std::size_t i = items.size(); i > 1; --i) std::swap(items[i - 1], items[below(i)]);
  }

 private:
  std::mt19937_64 engine_;
};

// Which seeds to try: GPUPLAN_SEED is the first (by default 1), GPUPLAN_ITERATIONS their number.
struct Campaign {
  std::uint64_t first_seed = 1;
  std::size_t iterations = 0;
};
Campaign campaign(std::size_t default_iterations);

// "replay with GPUPLAN_SEED=17 GPUPLAN_ITERATIONS=1".
std::string replay_words(std::uint64_t seed);

// Makes `failing` as simple as it gets while `complaint` is not empty: takes the first of `simpler(case)`
// that still fails, again and again, for at most `budget` tries.
template <typename Case>
Case shrink(Case failing, const std::function<std::vector<Case>(const Case&)>& simpler,
            const std::function<std::string(const Case&)>& complaint, std::size_t budget) {
  bool found = true;
  while (found && budget > 0) {
    found = false;
    for (Case& candidate : simpler(failing)) {
      if (budget == 0) break;
      --budget;
      if (complaint(candidate).empty()) continue;
      failing = std::move(candidate);
      found = true;
      break;
    }
  }
  return failing;
}

}  // namespace property
