// Resources and the dependencies between them.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "graph/dag.h"
#include "plugin/resource.h"
#include "report/diagnostic.h"

namespace gpuplan {

// The graph of a set of resources. Immutable once built; then safe to read from several threads.
class ResourceGraph {
 public:
  // Adds an error to `diagnostics` for an address that stands twice, a dependency on an address that
  // is not there, a lives_in that is not among the dependencies, and a cycle ("a → b → a"). The
  // graph must not be used if there was one.
  static ResourceGraph build(std::vector<Resource> resources, Diagnostics& diagnostics);

  const std::vector<Resource>& resources() const { return resources_; }
  // Indexes of resources, dependencies first.
  const std::vector<std::size_t>& order() const { return order_; }
  std::optional<std::size_t> find(const Address& address) const;
  std::vector<std::size_t> dependencies(std::size_t resource) const { return dag_.predecessors(resource); }
  std::vector<std::size_t> dependents(std::size_t resource) const { return dag_.successors(resource); }

 private:
  explicit ResourceGraph(std::vector<Resource> resources)
      : resources_(std::move(resources)), dag_(resources_.size()) {}

  std::vector<Resource> resources_;
  std::unordered_map<std::string_view, std::size_t> index_;  // views of the addresses in resources_
  Dag dag_;
  std::vector<std::size_t> order_;
};

}  // namespace gpuplan
