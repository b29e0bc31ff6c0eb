// gpuplan status: what gpuplan made, and whether a run is open.
#include <fmt/format.h>

#include <iostream>

#include "command/exit_codes.h"
#include "command/run_json.h"
#include "command/session.h"
#include "command/verbs.h"

namespace gpuplan::command {
namespace {

struct ClusterStatus {
  std::string name;
  std::vector<OwnedResource> owned;
  std::optional<RunRecord> last;
  std::optional<RunRecord> unfinished;
  std::optional<LockHolder> holder;
  std::string next;
};

std::string next_step(const Session& session, const ClusterStatus& status) {
  if (status.holder) return "wait until the run has ended.";
  if (!status.unfinished) return {};
  return session.ways_to_end(*status.unfinished) + ".";
}

ClusterStatus read_status(Session& session, const std::string& cluster) {
  ClusterStatus status;
  status.name = cluster;
  session.cluster = cluster;
  session.read_journal();
  status.owned = session.owned();
  if (session.journal) {
    const std::vector<RunRecord> runs = session.journal->runs();
    if (!runs.empty()) status.last = runs.back();
  }
  status.unfinished = session.unfinished_run();
  status.holder = lock_holder(session.state.lock(cluster));
  status.next = next_step(session, status);
  return status;
}

Json to_json(const ClusterStatus& status) {
  Json resources = Json::array();
  for (const OwnedResource& owned : status.owned) {
    resources.push_back({{"address", owned.resource.address.to_string()},
                         {"complete", owned.complete},
                         {"first_run", owned.first_run}});
  }
  Json holder;
  if (status.holder) {
    holder = {{"pid", status.holder->pid},
              {"host", status.holder->host},
              {"command", status.holder->command},
              {"since", status.holder->since}};
  }
  return {{"name", status.name},
          {"resources", std::move(resources)},
          {"last_run", status.last ? run_to_json(*status.last) : Json()},
          {"unfinished_run", status.unfinished ? Json(status.unfinished->id) : Json()},
          {"lock", std::move(holder)},
          {"next", status.next}};
}

std::string to_text(const ClusterStatus& status) {
  std::string out = fmt::format("Cluster {}", status.name);
  if (status.last) out += fmt::format(" on {}", printable(status.last->host_description));
  out += '\n';
  if (status.last) out += fmt::format("  Last run:  {}\n", describe_run(*status.last, status.holder.has_value()));
  if (status.holder) out += fmt::format("  Locked by: {}\n", describe(*status.holder));
  out += fmt::format("  Resources: {}\n", status.owned.empty() ? "none" : std::to_string(status.owned.size()));
  for (const OwnedResource& owned : status.owned) {
    out += fmt::format("    {}{}\n", owned.resource.address.to_string(), owned.complete ? "" : "  (begun, not complete)");
  }
  if (!status.next.empty()) out += fmt::format("  Next: {}\n", status.next);
  return out;
}

}  // namespace

int run_status(Session& session) {
  std::vector<std::string> clusters = session.state.clusters();
  if (!session.options.cluster.empty()) {
    session.choose_cluster();
    clusters = {session.cluster};
  }
  Json items = Json::array();
  std::string text;
  for (const std::string& cluster : clusters) {
    const ClusterStatus status = read_status(session, cluster);
    items.push_back(to_json(status));
    if (!text.empty()) text += '\n';
    text += to_text(status);
  }
  if (clusters.empty()) session.require_own_state();
  if (clusters.empty()) text = fmt::format("There is no cluster in {}.\n", printable(session.state.path()));
  if (session.console.json()) {
    session.console.document(
        {{"format_version", plan_format_version}, {"state_dir", session.state.path()}, {"clusters", std::move(items)}});
  } else {
    session.console.out() << text;
  }
  return exit_done;
}

}  // namespace gpuplan::command
