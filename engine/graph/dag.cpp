#include "graph/dag.h"

#include <algorithm>
#include <boost/graph/adjacency_list.hpp>
#include <boost/graph/depth_first_search.hpp>
#include <boost/property_map/property_map.hpp>
#include <functional>
#include <queue>

namespace gpuplan {
namespace {

// Edges in one direction: Boost keeps a list node per edge for both. The other one stands in Graph.
using Adjacency = boost::adjacency_list<boost::vecS, boost::vecS, boost::directedS>;

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

std::vector<std::size_t> sorted(std::vector<std::size_t> nodes) {
  std::sort(nodes.begin(), nodes.end());
  return nodes;
}

}  // namespace

struct Dag::Graph {
  explicit Graph(std::size_t size) : adjacency(size), before(size) {}
  Adjacency adjacency;
  std::vector<std::vector<std::size_t>> before;  // of each node, in the order they were added

  std::vector<std::size_t> after(std::size_t node) const {
    const auto ends = boost::adjacent_vertices(node, adjacency);
    return {ends.first, ends.second};
  }
  bool has_edge(std::size_t from, std::size_t to) const {
    // Whichever list is shorter: one node may be before, or after, all others.
    if (before[to].size() <= boost::out_degree(from, adjacency)) {
      return std::find(before[to].begin(), before[to].end(), from) != before[to].end();
    }
    const auto ends = boost::adjacent_vertices(from, adjacency);
    return std::find(ends.first, ends.second, to) != ends.second;
  }
};

Dag::Dag(std::size_t size) : graph_(std::make_unique<Graph>(size)) {}
Dag::~Dag() = default;
Dag::Dag(Dag&&) noexcept = default;
Dag& Dag::operator=(Dag&&) noexcept = default;

std::size_t Dag::size() const { return boost::num_vertices(graph_->adjacency); }

void Dag::add_edge(std::size_t before, std::size_t after) {
  if (graph_->has_edge(before, after)) return;
  boost::add_edge(before, after, graph_->adjacency);
  graph_->before[after].push_back(before);
}

std::vector<std::size_t> Dag::predecessors(std::size_t node) const { return sorted(graph_->before[node]); }

std::vector<std::size_t> Dag::successors(std::size_t node) const { return sorted(graph_->after(node)); }

std::vector<std::size_t> Dag::find_cycle() const {
  std::vector<std::size_t> parents(size());
  std::vector<std::size_t> cycle;
  std::vector<boost::default_color_type> colors(size());
  const auto color_of = boost::make_iterator_property_map(colors.begin(), boost::get(boost::vertex_index, graph_->adjacency));
  boost::depth_first_search(graph_->adjacency, CycleFinder(parents, cycle), color_of);
  return cycle;
}

std::vector<std::size_t> Dag::order() const {
  const Adjacency& graph = graph_->adjacency;
  std::vector<std::size_t> waiting_for(size());
  std::priority_queue<std::size_t, std::vector<std::size_t>, std::greater<>> ready;
  for (std::size_t node = 0; node < size(); ++node) {
    waiting_for[node] = graph_->before[node].size();
    if (waiting_for[node] == 0) ready.push(node);
  }
  std::vector<std::size_t> out;
  out.reserve(size());
  while (!ready.empty()) {
    const std::size_t node = ready.top();
    ready.pop();
    out.push_back(node);
    const auto ends = boost::adjacent_vertices(node, graph);
    for (auto next = ends.first; next != ends.second; ++next) {
      if (--waiting_for[*next] == 0) ready.push(*next);
    }
  }
  return out;
}

}  // namespace gpuplan
