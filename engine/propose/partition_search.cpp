#include "propose/partition_search.h"

#include <algorithm>
#include <set>
#include <tuple>

namespace gpuplan {
namespace {

constexpr std::size_t most_steps = 200'000;  // eight GPUs take some thousands

class Search {
 public:
  Search(const std::vector<PartitionChoice>& choices, std::size_t count) : choices_(choices), count_(count) {}

  std::vector<std::size_t> run() {
    go_on(0);
    return best_;
  }

 private:
  using Worth = std::tuple<std::size_t, std::size_t, std::size_t>;

  Worth worth() const {
    std::size_t sum = 0, least = SIZE_MAX, within_nodes = 0;
    for (const std::size_t index : chosen_) {
      sum += choices_[index].gpus.size();
      least = std::min(least, choices_[index].gpus.size());
      if (!choices_[index].crosses_nodes) ++within_nodes;
    }
    return {sum, least, within_nodes};
  }

  void go_on(std::size_t from) {
    if (chosen_.size() == count_) {
      const Worth now = worth();
      if (best_.empty() || now > best_worth_) {
        best_ = chosen_;
        best_worth_ = now;
      }
      return;
    }
    for (std::size_t i = from; i < choices_.size() && steps_ < most_steps; ++i) {
      ++steps_;
      const auto& gpus = choices_[i].gpus;
      if (std::any_of(gpus.begin(), gpus.end(), [&](std::size_t gpu) { return taken_.count(gpu) > 0; })) continue;
      taken_.insert(gpus.begin(), gpus.end());
      chosen_.push_back(i);
      go_on(i + 1);
      chosen_.pop_back();
      for (const std::size_t gpu : gpus) taken_.erase(gpu);
    }
  }

  const std::vector<PartitionChoice>& choices_;
  const std::size_t count_;
  std::set<std::size_t> taken_;
  std::vector<std::size_t> chosen_;
  std::vector<std::size_t> best_;
  Worth best_worth_;
  std::size_t steps_ = 0;
};

}  // namespace

std::vector<std::size_t> choose_partitions(const std::vector<PartitionChoice>& choices, std::size_t count) {
  if (count == 0) return {};
  std::vector<std::size_t> chosen = Search(choices, count).run();
  std::sort(chosen.begin(), chosen.end(),
            [&](std::size_t a, std::size_t b) { return choices[a].gpus.front() < choices[b].gpus.front(); });
  return chosen;
}

}  // namespace gpuplan
