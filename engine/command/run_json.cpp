#include "command/run_json.h"

#include <fmt/format.h>

#include "command/session.h"

namespace gpuplan::command {

Json run_to_json(const RunRecord& run) {
  return {{"id", run.id},
          {"command", run.command},
          {"argv", run.argv},
          {"status", to_string(run.status)},
          {"spec", {{"name", run.spec_name}, {"sha256", run.spec_sha256}}},
          {"host", {{"identity", run.host_identity}, {"description", run.host_description}}},
          {"pid", run.pid},
          {"started", run.started},
          {"finished", run.finished == 0 ? Json() : Json(run.finished)},
          {"commit_begun", run.commit_begun}};
}

std::string status_words(const RunRecord& run, bool locked) {
  if (run.status == RunStatus::rolled_back) return "rolled back";
  if (run.status == RunStatus::reboot_required) return "needs reboot";
  if (run.status == RunStatus::running && !locked) return "killed";
  return std::string(to_string(run.status));
}

std::string describe_run(const RunRecord& run, bool locked) {
  return fmt::format("{} {}, {}, {}", run.id, run.command, status_words(run, locked), format_time(run.started));
}

}  // namespace gpuplan::command
