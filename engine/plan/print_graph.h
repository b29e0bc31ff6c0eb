// Resource graphs as DOT (Graphviz) and Mermaid.
#pragma once

#include <string>

#include "graph/resource_graph.h"

namespace gpuplan {

// Edges point from a dependency to what depends on it; what lives in a resource has a dashed edge.
// `name` titles the graph. Pure; the same graph gives the same text. https://graphviz.org/doc/info/lang.html
std::string graph_to_dot(const ResourceGraph& graph, const std::string& name);

// A flowchart for Markdown. https://mermaid.js.org/syntax/flowchart.html
std::string graph_to_mermaid(const ResourceGraph& graph);

}  // namespace gpuplan
