// What the journal's tests share: a directory of their own and a small plan.
#pragma once

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <stdexcept>
#include <string>

#include "apply/journal.h"

namespace journal_fixture {

using namespace gpuplan;

class TempDirectory {
 public:
  TempDirectory() {
    std::string pattern = (std::filesystem::temp_directory_path() / "gpuplan-test-XXXXXX").string();
    if (!mkdtemp(pattern.data())) throw std::runtime_error("mkdtemp failed");
    path_ = pattern;
  }
  ~TempDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TempDirectory(const TempDirectory&) = delete;
  TempDirectory& operator=(const TempDirectory&) = delete;
  const std::string& path() const { return path_; }
  std::string file(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

inline Change sample_change(const std::string& name, Action action, std::int64_t memory = 8192) {
  Change change;
  change.address = Address("vm-define", name);
  change.action = action;
  change.resource.address = change.address;
  change.resource.declared = {{"memory", memory}, {"gpus", std::vector<std::string>{"0000:0a:00.0"}}};
  change.resource.depends_on = {Address("vfio-bind", "0000:0a:00.0")};
  change.reasons = {"does not exist"};
  change.has_apply = true;
  return change;
}

// Two changes, a stage each, the second after the first.
inline Plan sample_plan(Action action = Action::create, std::int64_t memory = 8192) {
  Plan plan;
  plan.changes = {sample_change("gpu-worker-1", action, memory), sample_change("gpu-worker-2", action, memory)};
  plan.stages = {{0, Stage::apply, false, {}}, {1, Stage::commit, true, {0}}};
  return plan;
}

inline RunRecord sample_run() {
  RunRecord run;
  run.command = "apply";
  run.argv = "gpuplan apply h100.yaml";
  run.spec_name = "h100.yaml";
  run.spec_sha256 = "abc";
  run.spec_text = "cluster: gpu\n";
  run.host_identity = "machine-1";
  run.host_description = "gpu01";
  run.pid = 4242;
  run.started = 1700000000;
  return run;
}

// The text of the JournalError that `act` throws; "nothing was thrown" without one.
inline std::string error_of(const std::function<void()>& act) {
  try {
    act();
  } catch (const JournalError& error) {
    return error.what();
  }
  return "nothing was thrown";
}

// Runs `body` in a child process. True if SIGKILL ended it.
inline bool is_killed(const std::function<void()>& body) {
  const pid_t child = fork();
  if (child < 0) throw std::runtime_error("fork failed");
  if (child == 0) {
    body();
    _exit(0);
  }
  int status = 0;
  if (waitpid(child, &status, 0) != child) throw std::runtime_error("waitpid failed");
  return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}

inline unsigned mode_of(const std::string& path) {
  struct stat status {};
  if (lstat(path.c_str(), &status) != 0) return 0;
  return status.st_mode & 07777U;
}

}  // namespace journal_fixture
