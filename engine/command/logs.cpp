// gpuplan logs: what happened on a node, or in one step.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <iostream>
#include <set>

#include "command/cluster_nodes.h"
#include "command/exit_codes.h"
#include "command/failure.h"
#include "command/run_json.h"
#include "command/verbs.h"

namespace gpuplan::command {
namespace {

constexpr std::size_t most_runs = 5;
constexpr off_t longest_log = 64 << 20;

// Of a longer log, its end. Nothing if there is none. Throws Failure.
std::optional<std::string> read_log(const std::string& path) {
  const int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (descriptor < 0 && errno == ENOENT) return std::nullopt;
  const auto fail = [&](const std::string& why) {
    if (descriptor >= 0) close(descriptor);
    throw Failure(exit_nothing_changed, fmt::format("{} cannot be read: {}", printable(path), why));
  };
  if (descriptor < 0) fail(words_for_errno(errno));
  struct stat facts {};
  if (fstat(descriptor, &facts) != 0 || !S_ISREG(facts.st_mode)) fail("it is not a regular file");
  if (facts.st_size > longest_log) lseek(descriptor, -longest_log, SEEK_END);
  std::string text;
  std::array<char, 65536> buffer{};
  for (;;) {
    const ssize_t got = ::read(descriptor, buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail(words_for_errno(errno));
    if (got == 0) break;
    text.append(buffer.data(), static_cast<std::size_t>(got));
  }
  close(descriptor);
  return text;
}

// Empty if it cannot be found out: the log of the node does not depend on it.
std::string console_log_if_known(Session& session, const Spec& spec, const std::string& node) {
  try {
    session.open_host(spec.host.libvirt_uri);
    return console_log_of(session, node);
  } catch (const HostError&) {
    return {};
  } catch (const Failure&) {
    return {};
  }
}

int print_node_log(Session& session, const std::string& name) {
  const std::optional<Spec> spec = session.journal ? last_spec(*session.journal) : std::nullopt;
  if (!spec) throw no_kept_spec(session);
  const std::string node = find_target(*spec, name).node;
  const std::string path = session.state.node_log(session.cluster, node);
  const std::optional<std::string> text = read_log(path);
  const std::string console = console_log_if_known(session, *spec, node);
  const std::string show_console =
      console.empty() ? ""
                      : fmt::format("`{}` prints its console's, {}",
                                    session.suggest(fmt::format("console {} --log --cluster {}", node, session.cluster)), printable(console));
  if (!text) {
    throw Failure(exit_nothing_changed, fmt::format("there is no log of {}", node),
                  fmt::format("{} is not there: nothing was installed on it yet", path), show_console);
  }
  if (session.console.json()) {
    session.console.document({{"format_version", plan_format_version},
                              {"cluster", session.cluster},
                              {"node", node},
                              {"path", path},
                              {"text", printable_lines(*text)},
                              {"console_log", console}});
    return exit_done;
  }
  session.console.out() << (isatty(STDOUT_FILENO) == 1 ? printable_lines(*text) : *text) << std::flush;
  if (!show_console.empty()) session.console.show({{Severity::note, show_console, {}, {}, {}, {}}});
  return exit_done;
}

// What one run did with one step.
struct StepRun {
  RunRecord run;
  ChangeRecord change;
  std::vector<StageRecord> stages;
};

// Newest first. `others` takes the addresses that the runs were about.
std::vector<StepRun> runs_of(Journal& journal, const Address& address, std::set<std::string>& others) {
  std::vector<StepRun> out;
  const std::vector<RunRecord> runs = journal.runs();
  for (auto run = runs.rbegin(); run != runs.rend() && out.size() < most_runs; ++run) {
    for (const ChangeRecord& change : journal.changes(run->id)) {
      others.insert(change.change.address.to_string());
      if (change.change.address != address) continue;
      StepRun found{*run, change, {}};
      for (const StageRecord& stage : journal.stages(run->id)) {
        if (stage.stage.change == change.index) found.stages.push_back(stage);
      }
      out.push_back(std::move(found));
    }
  }
  return out;
}

std::string step_text(const StepRun& step, bool locked) {
  std::string out = fmt::format("Run {}\n  {}: {}\n", describe_run(step.run, locked),
                                to_string(step.change.change.action), to_string(step.change.state));
  for (const StageRecord& stage : step.stages) {
    out += fmt::format("  {:<9} {:<12}", to_string(stage.stage.stage), to_string(stage.status));
    if (stage.begun != 0) out += fmt::format(" begun {}", format_time(stage.begun));
    if (stage.ended != 0)
      out +=
          fmt::format(", ended {} ({})", format_time(stage.ended), format_whole_duration(stage.ended - stage.begun));
    out += '\n';
  }
  if (!step.change.error.empty()) out += "  error: " + printable_lines(step.change.error) + '\n';
  return out;
}

Json step_json(const StepRun& step) {
  Json stages = Json::array();
  for (const StageRecord& stage : step.stages) {
    stages.push_back({{"stage", to_string(stage.stage.stage)},
                      {"status", to_string(stage.status)},
                      {"begun", stage.begun},
                      {"ended", stage.ended}});
  }
  return {{"run", step.run.id},
          {"command", step.run.command},
          {"action", to_string(step.change.change.action)},
          {"state", to_string(step.change.state)},
          {"error", step.change.error.empty() ? Json() : Json(step.change.error)},
          {"stages", std::move(stages)}};
}

int print_step_log(Session& session, const Address& address) {
  std::set<std::string> others;
  const std::vector<StepRun> steps =
      session.journal ? runs_of(*session.journal, address, others) : std::vector<StepRun>{};
  if (steps.empty()) {
    const std::string near =
        did_you_mean(address.to_string(), std::vector<std::string_view>(others.begin(), others.end()));
    throw Failure(exit_nothing_changed,
                  fmt::format("no run of cluster {} was about {}", session.cluster, address.to_string()), {},
                  near.empty() ? fmt::format("`{}` lists the steps of the last run",
                                             session.suggest("show --cluster " + session.cluster))
                               : fmt::format("did you mean {}?", near));
  }
  if (session.console.json()) {
    Json runs = Json::array();
    for (const StepRun& step : steps) runs.push_back(step_json(step));
    session.console.document({{"format_version", plan_format_version},
                              {"cluster", session.cluster},
                              {"address", address.to_string()},
                              {"runs", std::move(runs)}});
    return exit_done;
  }
  const bool locked = lock_holder(session.state.lock(session.cluster)).has_value();
  std::string text = address.to_string() + '\n';
  for (const StepRun& step : steps) text += '\n' + step_text(step, locked && &step == &steps.front());
  session.console.out() << text;
  return exit_done;
}

}  // namespace

int run_logs(Session& session) {
  const std::string& about = session.options.arguments.front();
  session.choose_cluster();
  session.read_journal();
  if (about.find('/') == std::string::npos) return print_node_log(session, about);
  const std::optional<Address> address = Address::parse(about);
  if (!address) {
    throw Failure(exit_bad_flags, fmt::format("\"{}\" is neither a node nor an address", printable(about)), {},
                  "write NODE or KIND/NAME, for example gpu-worker-1 or worker-join/gpu-worker-1");
  }
  return print_step_log(session, *address);
}

}  // namespace gpuplan::command
