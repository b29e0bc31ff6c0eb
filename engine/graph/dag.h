// A directed graph over numbered nodes. This folder is the only user of Boost.Graph.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

namespace gpuplan {

// Nodes are 0 … size-1, as the caller numbers its own things; an edge says which of two comes first.
// Not thread-safe while edges are added.
class Dag {
 public:
  explicit Dag(std::size_t size);
  ~Dag();
  Dag(Dag&&) noexcept;
  Dag& operator=(Dag&&) noexcept;

  std::size_t size() const;
  // An edge that is there already is not added twice.
  void add_edge(std::size_t before, std::size_t after);
  std::vector<std::size_t> predecessors(std::size_t node) const;  // ascending
  std::vector<std::size_t> successors(std::size_t node) const;    // ascending

  // One cycle as its nodes in edge order, the first one not repeated at the end; empty if there is none.
  std::vector<std::size_t> find_cycle() const;
  // Every node after its predecessors; among those that are free to come next, the lowest number
  // first, so that equal graphs give equal orders. Nodes on cycles, and behind them, are left out.
  std::vector<std::size_t> order() const;

 private:
  struct Graph;
  std::unique_ptr<Graph> graph_;
};

}  // namespace gpuplan
