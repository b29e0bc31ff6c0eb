#include "graph/dag.h"

#include <algorithm>
#include <boost/graph/adjacency_list.hpp>
#include <boost/graph/depth_first_search.hpp>
#include <functional>
#include <queue>

namespace gpuplan {
namespace {

using Adjacency = boost::adjacency_list<boost::vecS, boost::vecS, boost::bidirectionalS>;

// Notes the first back edge of a depth-first search and the tree that leads to it.
class CycleFinder : public boost::default_dfs_visitor {
 public:
  CycleFinder(std::vector<std::size_t>& parents, std::vector<std::size_t>& cycle)
      : parents_(parents), cycle_(cycle) {}

  void tree_edge(const Adjacency::edge_descriptor& edge, const Adjacency& graph) {
    parents_[boost::target(edge, graph)] = boost::source(edge, graph);
  }
  void back_edge(const Adjacency::edge_descriptor& edge, const Adjacency& graph) {
    if (!cycle_.empty()) return;
    const std::size_t first = boost::target(edge, graph);
    for (std::size_t node = boost::source(edge, graph); node != first; node = parents_[node]) cycle_.push_back(node);
    cycle_.push_back(first);
    std::reverse(cycle_.begin(), cycle_.end());
  }

 private:
  std::vector<std::size_t>& parents_;
  std::vector<std::size_t>& cycle_;
};

template <typename Range, typename Get>
std::vector<std::size_t> sorted_ends(const Range& edges, const Get& get) {
  std::vector<std::size_t> out;
  for (auto edge = edges.first; edge != edges.second; ++edge) out.push_back(get(*edge));
  std::sort(out.begin(), out.end());
  return out;
}

}  // namespace

struct Dag::Graph {
  Adjacency adjacency;
};

Dag::Dag(std::size_t size) : graph_(std::make_unique<Graph>(Graph{Adjacency(size)})) {}
Dag::~Dag() = default;
Dag::Dag(Dag&&) noexcept = default;
Dag& Dag::operator=(Dag&&) noexcept = default;

std::size_t Dag::size() const { return boost::num_vertices(graph_->adjacency); }

void Dag::add_edge(std::size_t before, std::size_t after) {
  const auto edges = boost::in_edges(after, graph_->adjacency);
  const bool there = std::any_of(edges.first, edges.second, [&](const Adjacency::edge_descriptor& edge) {
    return boost::source(edge, graph_->adjacency) == before;
  });
  if (!there) boost::add_edge(before, after, graph_->adjacency);
}

std::vector<std::size_t> Dag::predecessors(std::size_t node) const {
  const Adjacency& graph = graph_->adjacency;
  return sorted_ends(boost::in_edges(node, graph), [&](const auto& edge) { return boost::source(edge, graph); });
}

std::vector<std::size_t> Dag::successors(std::size_t node) const {
  const Adjacency& graph = graph_->adjacency;
  return sorted_ends(boost::out_edges(node, graph), [&](const auto& edge) { return boost::target(edge, graph); });
}

std::vector<std::size_t> Dag::find_cycle() const {
  std::vector<std::size_t> parents(size());
  std::vector<std::size_t> cycle;
  boost::depth_first_search(graph_->adjacency, boost::visitor(CycleFinder(parents, cycle)));
  return cycle;
}

std::vector<std::size_t> Dag::order() const {
  const Adjacency& graph = graph_->adjacency;
  std::vector<std::size_t> waiting_for(size());
  std::priority_queue<std::size_t, std::vector<std::size_t>, std::greater<>> ready;
  for (std::size_t node = 0; node < size(); ++node) {
    waiting_for[node] = boost::in_degree(node, graph);
    if (waiting_for[node] == 0) ready.push(node);
  }
  std::vector<std::size_t> out;
  out.reserve(size());
  while (!ready.empty()) {
    const std::size_t node = ready.top();
    ready.pop();
    out.push_back(node);
    const auto edges = boost::out_edges(node, graph);
    for (auto edge = edges.first; edge != edges.second; ++edge) {
      const std::size_t next = boost::target(*edge, graph);
      if (--waiting_for[next] == 0) ready.push(next);
    }
  }
  return out;
}

}  // namespace gpuplan
