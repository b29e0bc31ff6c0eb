#include "trial.h"

#include <algorithm>
#include <filesystem>
#include <sstream>
#include <stdexcept>

#include "apply/journal.h"
#include "support/model_essence.h"

namespace fs = std::filesystem;

namespace crash_matrix {
namespace {

constexpr int killed = 128 + 9;
constexpr int nothing_changed = 1, step_failed = 3, differences_left = 7;

bool ends_with(const std::string& text, const std::string& end) {
  return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

bool kills(const std::string& fault) { return ends_with(fault, ":kill") || ends_with(fault, ":power-cut"); }

class Trial {
 public:
  Trial(const Prepared& prepared, const Workshop& workshop, std::string place)
      : prepared_(prepared), scenario_(prepared.scenario), workshop_(workshop), place_(std::move(place)) {}

  Verdict run(const Point& point) {
    fs::remove_all(place_);
    fs::create_directory(place_);
    const std::string crashed = place_ + "/crashed";
    if (fs::exists(prepared_.state)) fs::copy(prepared_.state, crashed, fs::copy_options::recursive);
    Words command = scenario_.command;
    for (const std::string& fault : point.faults) command.insert(command.end(), {"--fault", fault});
    const int code = gpuplan(command, crashed);
    require_end(code, point.faults, crashed);
    if (code == 0) check_after_success(crashed);
    else if (point.recovery_fault.empty()) recover(crashed);
    else recover_twice(point, crashed);
    return std::move(verdict_);
  }

 private:
  // A fault that kills does so, unless an earlier one has ended the run; every other one ends it in good order.
  void require_end(int code, const std::vector<std::string>& faults, const std::string& state) {
    const bool may_be_killed = std::any_of(faults.begin(), faults.end(), kills);
    const bool must_be_killed = faults.size() == 1 && may_be_killed;
    const bool expected = must_be_killed ? code == killed
                          : code == killed ? may_be_killed
                                           : code == 0 || code == step_failed || code == nothing_changed ||
                                                 (code == differences_left && scenario_.name == "rollback");
    if (!expected) complain("the run ended with exit code " + std::to_string(code), state);
    const std::string said = Workshop::output(state);
    if (faults.size() == 1 && said.find("never struck") != std::string::npos) complain("the fault never struck", state);
    const bool is_failure = code == nothing_changed || code == step_failed || code == differences_left;
    if (is_failure && said.find("next: ") == std::string::npos && said.find("Next: ") == std::string::npos) {
      complain("what failed was told without a next step", state);
    }
    if (said.find("defect of") != std::string::npos) complain("an injected fault was called a defect", state);
  }

  // The product could do without what failed: then nothing is left to do.
  void check_after_success(const std::string& state) {
    ++verdict_.recoveries;
    const std::string now = workshop_.inventory(state);
    if (now != prepared_.after) complain_of_server("the run succeeded with another server", prepared_.after, now, state);
    if (scenario_.command == scenario_.apply) require_empty_plan(state);
  }

  void recover(const std::string& crashed) {
    recover_by_rollback(copy(crashed, "/rollback"), scenario_.completion, prepared_.after);
    recover_by_apply(copy(crashed, "/apply"));
  }

  void recover_twice(const Point& point, const std::string& crashed) {
    Words command = point.interrupted == Recovery::rollback ? Words{"rollback", "--yes"} : scenario_.apply;
    command.insert(command.end(), {"--fault", point.recovery_fault});
    const int code = gpuplan(command, crashed);
    if (code == killed || code == step_failed || code == differences_left) {
      const bool applied = point.interrupted == Recovery::apply;
      recover_by_rollback(copy(crashed, "/rollback"), applied ? scenario_.apply : scenario_.completion,
                          applied ? prepared_.after_apply : prepared_.after);
      recover_by_apply(copy(crashed, "/apply"));
      return;
    }
    verdict_.struck = false;
    ++verdict_.recoveries;
    const bool refused = code == nothing_changed && point.interrupted == Recovery::rollback && commit_has_begun(crashed);
    if (code != 0 && !refused) complain("the recovery ended with exit code " + std::to_string(code), crashed);
  }

  void recover_by_rollback(const std::string& state, const Words& completion, const std::string& completed) {
    ++verdict_.recoveries;
    const int code = gpuplan({"rollback", "--yes"}, state);
    if (code == nothing_changed && commit_has_begun(state)) {
      const int end = gpuplan(completion, state);
      if (end != 0) return complain("completing it ended with exit code " + std::to_string(end), state);
      const std::string now = workshop_.inventory(state);
      if (now != completed) complain_of_server("completing it left another server", completed, now, state);
      return;
    }
    if (code != 0) return complain("rollback ended with exit code " + std::to_string(code), state);
    const std::string now = workshop_.server(state);
    if (now != prepared_.before) complain_of_server("rollback left another server", prepared_.before, now, state);
    if (scenario_.rolls_back_to_start) return;
    // Ownership is back as well: what was applied before is complete.
    const int left = gpuplan({"plan", scenario_.preparation.back()[1], "--detailed-exitcode"}, state);
    if (left != 0) complain("the plan after rollback ended with exit code " + std::to_string(left), state);
  }

  void recover_by_apply(const std::string& state) {
    ++verdict_.recoveries;
    const int code = gpuplan(scenario_.apply, state);
    if (code != 0) return complain("apply ended with exit code " + std::to_string(code), state);
    require_empty_plan(state);
    const std::string now = workshop_.inventory(state);
    if (now != prepared_.after_apply) complain_of_server("apply made another server", prepared_.after_apply, now, state);
  }

  void require_empty_plan(const std::string& state) {
    const int left = gpuplan({"plan", scenario_.apply[1], "--detailed-exitcode"}, state);
    if (left != 0) complain("the plan after apply ended with exit code " + std::to_string(left), state);
  }

  // Whether one of the runs that rollback would undo did what cannot be undone.
  static bool commit_has_begun(const std::string& state) {
    const auto journal = gpuplan::Journal::open_read_only(state + "/clusters/gpu/journal.db", "gpu");
    if (!journal) return false;
    const std::vector<gpuplan::RunRecord> runs = journal->runs();
    for (auto run = runs.rbegin(); run != runs.rend() && run->status != gpuplan::RunStatus::succeeded; ++run) {
      if (run->commit_begun && run->status != gpuplan::RunStatus::rolled_back) return true;
    }
    return false;
  }

  int gpuplan(const Words& words, const std::string& state) {
    verdict_.commands.push_back(workshop_.command_line(words, state));
    return workshop_.gpuplan(words, state);
  }

  std::string copy(const std::string& from, const std::string& name) {
    if (fs::exists(from)) fs::copy(from, place_ + name, fs::copy_options::recursive);
    verdict_.commands.push_back("cp -r " + from + " " + place_ + name);
    return place_ + name;
  }

  void complain(const std::string& what, const std::string& state) {
    verdict_.failures.push_back(what + ", " + fs::path(state).filename().string() + " of " + place_ + "\n" + Workshop::output(state));
  }

  void complain_of_server(const std::string& what, const std::string& wanted, const std::string& now, const std::string& state) {
    complain(what + " (wanted | found): " + first_difference(wanted, now), state);
  }

  const Prepared& prepared_;
  const Scenario& scenario_;
  const Workshop& workshop_;
  const std::string place_;
  Verdict verdict_;
};

}  // namespace

Verdict try_point(const Prepared& prepared, const Point& point, const Workshop& workshop, const std::string& place) {
  return Trial(prepared, workshop, place).run(point);
}

std::string Point::text() const {
  std::string out;
  for (const std::string& fault : faults) out += (out.empty() ? "" : "+") + fault;
  if (!recovery_fault.empty()) out += (interrupted == Recovery::rollback ? ",rollback@" : ",apply@") + recovery_fault;
  return out;
}

Point parse_point(const std::string& text) {
  Point point;
  const std::size_t comma = text.find(',');
  std::istringstream faults(text.substr(0, comma));
  for (std::string fault; std::getline(faults, fault, '+');) point.faults.push_back(fault);
  if (comma == std::string::npos && !point.faults.empty()) return point;
  const std::size_t at = text.find('@');
  const std::string verb = at == std::string::npos ? "" : text.substr(comma + 1, at - comma - 1);
  if (point.faults.empty() || (verb != "rollback" && verb != "apply")) {
    throw std::runtime_error("\"" + text + "\" is no point; write call:17:kill, call:17:fail+journal:9:kill or "
                             "call:17:kill,rollback@call:3:kill");
  }
  point.interrupted = verb == "rollback" ? Recovery::rollback : Recovery::apply;
  point.recovery_fault = text.substr(at + 1);
  return point;
}

}  // namespace crash_matrix
