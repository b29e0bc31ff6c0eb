#include "graph/dag.h"

#include <random>

#include "graph/resource_graph.h"
#include "support/catch.h"

using namespace gpuplan;

namespace {

Resource resource(const char* kind, const char* name, std::vector<Address> depends_on = {}) {
  Resource out;
  out.address = Address(kind, name);
  out.depends_on = std::move(depends_on);
  return out;
}

}  // namespace

TEST_CASE("an order puts every node behind its predecessors, lowest number first") {
  Dag dag(5);
  dag.add_edge(3, 0);
  dag.add_edge(3, 0);
  dag.add_edge(4, 3);
  CHECK(dag.order() == std::vector<std::size_t>{1, 2, 4, 3, 0});
  CHECK(dag.predecessors(0) == std::vector<std::size_t>{3});
  CHECK(dag.successors(4) == std::vector<std::size_t>{3});
  CHECK(dag.find_cycle().empty());
}

TEST_CASE("a cycle is found and its nodes come in edge order") {
  Dag dag(4);
  dag.add_edge(0, 1);
  dag.add_edge(1, 2);
  dag.add_edge(2, 3);
  dag.add_edge(3, 1);
  const auto cycle = dag.find_cycle();
  REQUIRE(cycle.size() == 3);
  for (std::size_t i = 0; i < cycle.size(); ++i) {
    const auto next = dag.successors(cycle[i]);
    CHECK(std::find(next.begin(), next.end(), cycle[(i + 1) % cycle.size()]) != next.end());
  }
  CHECK(dag.order() == std::vector<std::size_t>{0});
}

TEST_CASE("random graphs: every edge is respected, and a back edge is always noticed") {
  for (unsigned seed = 1; seed <= 50; ++seed) {
    std::mt19937 random(seed);
    const std::size_t size = 2 + random() % 60;
    Dag dag(size);
    std::vector<std::pair<std::size_t, std::size_t>> edges;
    for (std::size_t i = 0; i < size * 2; ++i) {
      std::size_t a = random() % size, b = random() % size;
      if (a == b) continue;
      if (a > b) std::swap(a, b);
      dag.add_edge(a, b);
      edges.emplace_back(a, b);
    }
    INFO("seed " << seed);
    const auto order = dag.order();
    REQUIRE(order.size() == size);
    std::vector<std::size_t> place(size);
    for (std::size_t i = 0; i < size; ++i) place[order[i]] = i;
    for (const auto& [a, b] : edges) CHECK(place[a] < place[b]);
    if (edges.empty()) continue;
    dag.add_edge(edges[0].second, edges[0].first);
    CHECK_FALSE(dag.find_cycle().empty());
  }
}

TEST_CASE("a deep chain needs no deep stack") {
  constexpr std::size_t size = 200'000;
  Dag dag(size);
  for (std::size_t i = 0; i + 1 < size; ++i) dag.add_edge(i, i + 1);
  CHECK(dag.order().size() == size);
  CHECK(dag.find_cycle().empty());
}

TEST_CASE("a resource graph names what is wrong with it") {
  Diagnostics diagnostics;
  SECTION("a cycle is written as a → b → a") {
    ResourceGraph::build({resource("k", "a", {Address("k", "b")}), resource("k", "b", {Address("k", "a")})}, diagnostics);
    REQUIRE(diagnostics.error_count() == 1);
    const std::string text = render(diagnostics.items()[0], false);
    CHECK((text.find("k/a → k/b → k/a") != std::string::npos || text.find("k/b → k/a → k/b") != std::string::npos));
  }
  SECTION("an edge to nowhere") {
    ResourceGraph::build({resource("k", "a", {Address("k", "gone")})}, diagnostics);
    REQUIRE(diagnostics.error_count() == 1);
    REQUIRE_THAT(render(diagnostics.items()[0], false), contains("k/a: depends on k/gone, which nothing declares"));
  }
  SECTION("an address that stands twice") {
    ResourceGraph::build({resource("k", "a"), resource("k", "a")}, diagnostics);
    CHECK(diagnostics.error_count() == 1);
  }
  SECTION("living in something without depending on it") {
    Resource content = resource("k", "b");
    content.lives_in = {Address("k", "a")};
    ResourceGraph::build({resource("k", "a"), content}, diagnostics);
    CHECK(diagnostics.error_count() == 1);
  }
}
