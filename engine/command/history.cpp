// gpuplan history: all runs of a cluster.
#include <fmt/format.h>

#include <iostream>

#include "command/exit_codes.h"
#include "command/run_json.h"
#include "command/session.h"
#include "command/verbs.h"

namespace gpuplan::command {

int run_history(Session& session) {
  session.choose_cluster();
  session.read_journal();
  const std::vector<RunRecord> runs = session.journal ? session.journal->runs() : std::vector<RunRecord>{};
  if (session.console.json()) {
    Json items = Json::array();
    for (const RunRecord& run : runs) items.push_back(run_to_json(run));
    session.console.document(
        {{"format_version", plan_format_version}, {"cluster", session.cluster}, {"runs", std::move(items)}});
    return exit_done;
  }
  const bool locked = lock_holder(session.state.lock(session.cluster)).has_value();
  std::string out = fmt::format("{:>4}  {:<9} {:<12} {:<24} {:>9}  {}\n", "RUN", "COMMAND", "STATUS", "STARTED", "TOOK", "SPEC");
  for (const RunRecord& run : runs) {
    const std::string took = run.finished < run.started ? "-" : format_whole_duration(run.finished - run.started);
    out += fmt::format("{:>4}  {:<9} {:<12} {:<24} {:>9}  {}\n", run.id, run.command, status_words(run, locked),
                       format_time(run.started), took, run.spec_name.empty() ? "-" : printable(run.spec_name));
  }
  session.console.out() << out;
  return exit_done;
}

}  // namespace gpuplan::command
