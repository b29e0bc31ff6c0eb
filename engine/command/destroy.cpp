// gpuplan destroy: removes everything that gpuplan made.
#include <fmt/format.h>

#include <algorithm>
#include <iostream>

#include "command/carry_out.h"
#include "command/exit_codes.h"
#include "command/session.h"
#include "command/verbs.h"

namespace gpuplan::command {
namespace {

int nothing_to_destroy(Session& session, const std::string& why) {
  if (session.console.json()) {
    Ending ending;
    ending.status = to_string(RunStatus::succeeded);
    ending.next = "nothing to destroy: " + why;
    print_ending(session.console, ending);
  } else {
    session.console.out() << fmt::format("Nothing to destroy: {}.\n", why);
  }
  return exit_done;
}

}  // namespace

int run_destroy(Session& session) {
  std::optional<Spec> given;
  if (!session.options.arguments.empty()) given = session.read_spec();
  const std::vector<std::string> clusters = session.state.clusters();
  if (!given && session.options.cluster.empty() && clusters.empty()) {
    return nothing_to_destroy(session, fmt::format("there is no cluster in {}", session.state.path()));
  }
  if (!given) session.choose_cluster();
  const std::string nothing = fmt::format("gpuplan has made nothing for cluster {}", session.cluster);
  if (std::find(clusters.begin(), clusters.end(), session.cluster) == clusters.end()) {
    return nothing_to_destroy(session, nothing);
  }

  session.load_plugins();
  session.lock_cluster();
  // What was made was made by the spec of then; the spec of now only says how long to wait.
  std::optional<Spec> spec = last_spec(session.writable_journal());
  if (!spec && given) spec = given;
  if (!spec) spec.emplace().cluster = session.cluster;
  if (given) spec->timeouts = given->timeouts;
  session.open_host(spec->host.libvirt_uri);
  session.require_same_host();
  const std::vector<OwnedResource> owned = session.owned();
  if (owned.empty() && !session.unfinished_run()) return nothing_to_destroy(session, nothing);

  Plan plan = take_plan(session, plan_destroy(session.cluster, session.kinds, owned, *session.host.host,
                                              session.planner_options()));
  plan.spec_name = spec->file ? spec->file->name : "";
  plan.spec_sha256 = spec->sha256;
  return carry_out(session, plan, *spec, "destroy");
}

}  // namespace gpuplan::command
