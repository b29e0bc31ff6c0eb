// Resource graphs as DOT and Mermaid.
#include "plan/print_graph.h"

#include "support/catch.h"

using namespace gpuplan;

namespace {

ResourceGraph small_graph() {
  Resource vm;
  vm.address = Address("vm-define", "gpu-control-plane");
  Resource init;
  init.address = Address("k8s-init", "gpu-control-plane");
  init.depends_on = {vm.address};
  init.lives_in = {vm.address};
  Resource join;
  join.address = Address("worker-join", "gpu-worker-1");
  join.depends_on = {init.address};
  Diagnostics diagnostics;
  ResourceGraph graph = ResourceGraph::build({vm, init, join}, diagnostics);
  REQUIRE(!diagnostics.has_errors());
  return graph;
}

}  // namespace

TEST_CASE("DOT: edges lead to what depends, dashed for what lives inside") {
  CHECK(graph_to_dot(small_graph(), "gpu") ==
        "digraph \"gpu\" {\n"
        "  rankdir=LR;\n"
        "  node [shape=box];\n"
        "  \"vm-define/gpu-control-plane\";\n"
        "  \"k8s-init/gpu-control-plane\";\n"
        "  \"worker-join/gpu-worker-1\";\n"
        "  \"vm-define/gpu-control-plane\" -> \"k8s-init/gpu-control-plane\" [style=dashed];\n"
        "  \"k8s-init/gpu-control-plane\" -> \"worker-join/gpu-worker-1\";\n"
        "}\n");
}

TEST_CASE("Mermaid: the same graph for Markdown") {
  CHECK(graph_to_mermaid(small_graph()) ==
        "flowchart LR\n"
        "  n0[\"vm-define/gpu-control-plane\"]\n"
        "  n1[\"k8s-init/gpu-control-plane\"]\n"
        "  n2[\"worker-join/gpu-worker-1\"]\n"
        "  n0 -.-> n1\n"
        "  n1 --> n2\n");
}
