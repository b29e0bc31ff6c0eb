#include "plan/print_graph.h"

#include <fmt/format.h>

#include <algorithm>

namespace gpuplan {
namespace {

std::string dot_quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + '"';
}

// Mermaid has no backslash escapes: quotes are written as entities.
std::string mermaid_quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"') out += "#quot;";
    else if (c == '#') out += "#35;";
    else out += c;
  }
  return out + '"';
}

bool lives_in(const ResourceGraph& graph, std::size_t resource, std::size_t container) {
  const auto& inside = graph.resources()[resource].lives_in;
  return std::find(inside.begin(), inside.end(), graph.resources()[container].address) != inside.end();
}

}  // namespace

std::string graph_to_dot(const ResourceGraph& graph, const std::string& name) {
  std::string out = fmt::format("digraph {} {{\n  rankdir=LR;\n  node [shape=box];\n", dot_quoted(name));
  for (const std::size_t resource : graph.order()) {
    out += fmt::format("  {};\n", dot_quoted(graph.resources()[resource].address.to_string()));
  }
  for (const std::size_t resource : graph.order()) {
    for (const std::size_t dependency : graph.dependencies(resource)) {
      out += fmt::format("  {} -> {}{};\n", dot_quoted(graph.resources()[dependency].address.to_string()),
                         dot_quoted(graph.resources()[resource].address.to_string()),
                         lives_in(graph, resource, dependency) ? " [style=dashed]" : "");
    }
  }
  return out + "}\n";
}

std::string graph_to_mermaid(const ResourceGraph& graph) {
  std::string out = "flowchart LR\n";
  for (const std::size_t resource : graph.order()) {
    out += fmt::format("  n{}[{}]\n", resource, mermaid_quoted(graph.resources()[resource].address.to_string()));
  }
  for (const std::size_t resource : graph.order()) {
    for (const std::size_t dependency : graph.dependencies(resource)) {
      out += fmt::format("  n{} {} n{}\n", dependency, lives_in(graph, resource, dependency) ? "-.->" : "-->", resource);
    }
  }
  return out;
}

}  // namespace gpuplan
