// gpuplan graph: the resources and their dependencies.
#include <iostream>

#include "command/exit_codes.h"
#include "command/failure.h"
#include "command/session.h"
#include "command/verbs.h"
#include "plan/expand.h"
#include "plan/print_graph.h"
#include "plugin/change_json.h"

namespace gpuplan::command {
namespace {

Json graph_to_json(const ResourceGraph& graph, const std::string& cluster) {
  Json resources = Json::array();
  for (const std::size_t index : graph.order()) {
    const Resource& resource = graph.resources()[index];
    resources.push_back({{"address", resource.address.to_string()},
                         {"depends_on", to_json(resource.depends_on)},
                         {"lives_in", to_json(resource.lives_in)}});
  }
  return {{"format_version", plan_format_version}, {"cluster", cluster}, {"resources", std::move(resources)}};
}

}  // namespace

int run_graph(Session& session) {
  Spec spec = session.read_spec();
  session.load_plugins();
  if (spec.gpus_auto) {
    session.open_host(spec.host.libvirt_uri);
    session.resolve(spec);
  }
  Diagnostics diagnostics;
  const ResourceGraph graph =
      build_graph(expand_spec(spec, session.kinds, &session.watch, diagnostics), session.kinds, diagnostics);
  if (diagnostics.has_errors()) throw Failure(exit_nothing_changed, diagnostics.items());
  if (session.console.json()) session.console.document(graph_to_json(graph, spec.cluster));
  else if (session.options.format == "mermaid") session.console.out() << graph_to_mermaid(graph);
  else session.console.out() << graph_to_dot(graph, spec.cluster);
  return exit_done;
}

}  // namespace gpuplan::command
