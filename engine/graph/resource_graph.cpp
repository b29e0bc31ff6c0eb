#include "graph/resource_graph.h"

#include <fmt/format.h>

#include <algorithm>

namespace gpuplan {
namespace {

Diagnostic about(const Resource& resource, std::string summary, std::string why, std::string remedy) {
  return {Severity::error, std::move(summary), std::move(why), std::move(remedy), resource.address.to_string(),
          resource.where};
}

constexpr std::string_view plugin_remedy =
    "this is a defect of the step kind's plugin, not of the spec: report it to the plugin's author";

std::string cycle_text(const std::vector<Resource>& resources, const std::vector<std::size_t>& cycle) {
  std::string out;
  for (const std::size_t node : cycle) out += resources[node].address.to_string() + " → ";
  return out + resources[cycle.front()].address.to_string();
}

}  // namespace

ResourceGraph ResourceGraph::build(std::vector<Resource> resources, Diagnostics& diagnostics) {
  ResourceGraph graph(std::move(resources));
  graph.index_.reserve(graph.resources_.size());
  for (std::size_t i = 0; i < graph.resources_.size(); ++i) {
    const Resource& resource = graph.resources_[i];
    if (!graph.index_.emplace(resource.address.to_string(), i).second) {
      diagnostics.add(about(resource, "declared twice", "each address names one resource", std::string(plugin_remedy)));
    }
  }
  for (std::size_t i = 0; i < graph.resources_.size(); ++i) {
    const Resource& resource = graph.resources_[i];
    for (const Address& dependency : resource.depends_on) {
      const auto found = graph.find(dependency);
      if (found) graph.dag_.add_edge(*found, i);
      else {
        diagnostics.add(about(resource, fmt::format("depends on {}, which nothing declares", dependency.to_string()),
                              "a dependency must be a resource of the same spec", std::string(plugin_remedy)));
      }
    }
    for (const Address& container : resource.lives_in) {
      const auto& needs = resource.depends_on;
      if (std::find(needs.begin(), needs.end(), container) != needs.end()) continue;
      diagnostics.add(about(resource, fmt::format("lives in {} without depending on it", container.to_string()),
                            "what lives inside a resource must come after it", std::string(plugin_remedy)));
    }
  }
  graph.order_ = graph.dag_.order();
  if (graph.order_.size() == graph.resources_.size()) return graph;
  // An edge leads from a dependency to its dependent; people read "needs" the other way round.
  const std::vector<std::size_t> cycle = graph.dag_.find_cycle();
  const std::vector<std::size_t> needs(cycle.rbegin(), cycle.rend());
  diagnostics.add(about(graph.resources_[needs.front()],
                        fmt::format("the dependencies form a cycle: {}", cycle_text(graph.resources_, needs)),
                        "none of these could be the first", std::string(plugin_remedy)));
  return graph;
}

std::optional<std::size_t> ResourceGraph::find(const Address& address) const {
  const auto found = index_.find(address.to_string());
  if (found == index_.end()) return std::nullopt;
  return found->second;
}

}  // namespace gpuplan
