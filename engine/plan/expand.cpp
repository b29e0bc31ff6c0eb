#include "plan/expand.h"

#include <fmt/format.h>

#include "plan/contained_call.h"
#include "plan/schema_check.h"

namespace gpuplan {

std::vector<Resource> expand_spec(const Spec& spec, const StepKinds& kinds, CallWatch* watch,
                                  Diagnostics& diagnostics) {
  std::vector<Resource> declared;
  for (const StepKinds::Entry& plugin : kinds.entries()) {
    std::vector<Resource> own;
    auto problem = contained_call(plugin, "expand", {}, watch, [&] { own = plugin.kind->expand(spec); });
    if (problem) diagnostics.add(std::move(*problem));
    declared.reserve(declared.size() + own.size());
    for (Resource& resource : own) {
      check_resource(plugin, resource, diagnostics);
      declared.push_back(std::move(resource));
    }
  }
  return declared;
}

ResourceGraph build_graph(std::vector<Resource> resources, const StepKinds& kinds, Diagnostics& diagnostics) {
  Diagnostics problems;
  ResourceGraph graph = ResourceGraph::build(std::move(resources), problems);
  for (Diagnostic problem : problems.items()) {
    const auto address = Address::parse(problem.address);
    const StepKinds::Entry* const plugin = address ? kinds.find_entry(address->kind()) : nullptr;
    if (plugin != nullptr) {
      problem.why += fmt::format("; expand() of `{}` declared it: {}", address->kind(), module_words(*plugin));
      problem.remedy = "this is a defect of the plugin, not of the spec: " + author_remedy(*plugin);
    }
    diagnostics.add(std::move(problem));
  }
  return graph;
}

}  // namespace gpuplan
