#include "command/planning.h"

#include <fmt/format.h>

#include <algorithm>
#include <iostream>

#include "command/exit_codes.h"
#include "command/failure.h"
#include "command/outcome.h"

namespace gpuplan::command {

void say_nothing_to_destroy(Session& session, const std::string& why) {
  if (session.console.json()) {
    Ending ending;
    ending.status = to_string(RunStatus::succeeded);
    ending.next = "nothing to destroy: " + why;
    print_ending(session.console, ending);
  } else {
    session.console.out() << fmt::format("Nothing to destroy: {}.\n", why);
  }
}

Planned plan_for_apply(Session& session, Spec spec) {
  session.require_same_host();
  session.resolve(spec);
  PlanningResult result =
      plan_apply(spec, session.kinds, session.owned(), *session.host.host, session.planner_options());
  std::vector<CheckResult> checks = result.checks;
  Plan plan = take_plan(session, std::move(result));
  return {std::move(plan), std::move(spec), std::move(checks)};
}

PlannedRemoval plan_for_destroy(Session& session, const std::optional<Spec>& given, bool locked) {
  const std::vector<std::string> clusters = session.state.clusters();
  if (!given && session.options.cluster.empty() && session.cluster.empty() && clusters.empty()) {
    session.require_own_state();
    return {std::nullopt, fmt::format("there is no cluster in {}", printable(session.state.path()))};
  }
  if (session.cluster.empty()) session.choose_cluster();
  const std::string nothing = fmt::format("gpuplan has made nothing for cluster {}", session.cluster);
  if (std::find(clusters.begin(), clusters.end(), session.cluster) == clusters.end()) {
    session.require_own_state();
    return {std::nullopt, nothing};
  }
  session.load_plugins();
  if (locked) session.lock_cluster();
  else session.read_journal();
  // What was made was made by the spec of then; the spec of now only says how long to wait.
  std::optional<Spec> spec = session.journal ? last_spec(*session.journal) : std::nullopt;
  if (!spec && given) spec = given;
  if (!spec) spec.emplace().cluster = session.cluster;
  if (given) spec->timeouts = given->timeouts;
  session.open_host(spec->host.libvirt_uri);
  session.require_same_host();
  const std::vector<OwnedResource> owned = session.owned();
  if (owned.empty() && !session.unfinished_run()) return {std::nullopt, nothing};
  Plan plan = take_plan(session, plan_destroy(session.cluster, session.kinds, owned, *session.host.host,
                                              session.planner_options()));
  plan.spec_name = spec->file ? spec->file->name : "";
  plan.spec_sha256 = spec->sha256;
  return {Planned{std::move(plan), std::move(*spec), {}}, {}};
}

}  // namespace gpuplan::command
