// The same properties with the step kinds that ship, on a simulated server with four GPUs.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <regex>
#include <sstream>

#include "apply/executor.h"
#include "apply/rollback.h"
#include "host/sim/sim_host.h"
#include "loader/load_plugins.h"
#include "plan/planner.h"
#include "plan/resolve.h"
#include "plugin/change_json.h"
#include "property/recorded_run.h"
#include "property/server_scenario.h"
#include "spec/read_spec.h"
#include "support/catch.h"
#include "support/model_essence.h"
#include "support/temporary_directory.h"

using namespace gpuplan;
using namespace property;

namespace {

std::string read_all(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

std::string errors_of(const Diagnostics& diagnostics) {
  std::string out;
  for (const Diagnostic& item : diagnostics.items()) out += render(item, false) + "\n";
  return out;
}

const StepKinds& shipped_kinds() {
  static const StepKinds kinds = [] {
    StepKinds out;
    Diagnostics diagnostics;
    load_plugins({GPUPLAN_PLUGIN_DIR}, out, diagnostics);
    if (diagnostics.has_errors()) throw std::runtime_error(errors_of(diagnostics));
    return out;
  }();
  return kinds;
}

// A server of its own for each history, whose clock never really sleeps.
class Server {
 public:
  explicit Server(std::size_t parallelism) : parallelism_(parallelism) {
    std::string text = read_all(std::string(GPUPLAN_SOURCE_DIR) + "/specs/hosts/a100-pcie4.yaml");
    const std::size_t speed = text.find("clock_speed:");
    text.replace(speed, text.find('\n', speed) - speed, "clock_speed: 0");
    text += std::string("machines: [{address: 10.0.0.6, host_key: ") + machine_key + "}]\n";
    file_ = directory_ / "server.yaml";
    std::ofstream(file_, std::ios::binary) << text;
    Diagnostics diagnostics;
    host_ = open_sim_host(file_, directory_.path(), diagnostics);
    if (!host_) throw std::runtime_error(errors_of(diagnostics));
    journal_ = Journal::open(directory_ / "journal.db", "gpu");
  }

  void declare(const SpecCase& spec_case) {
    Diagnostics diagnostics;
    auto spec = read_spec(std::make_shared<SourceFile>(SourceFile{"spec.yaml", spec_case.text()}), diagnostics);
    if (!spec) throw std::runtime_error(errors_of(diagnostics));
    spec_ = std::move(*spec);
    resolve_gpus(spec_, *host_, diagnostics);
    keep_addresses(spec_, journal_->owned(), diagnostics);
    if (diagnostics.has_errors()) throw std::runtime_error(errors_of(diagnostics));
  }

  PlanningResult plan() {
    PlannerOptions options;
    options.parallelism = parallelism_;
    return plan_apply(spec_, shipped_kinds(), journal_->owned(), *host_, options);
  }
  RunOutcome carry_out(const Plan& plan, std::int64_t fault_at_call, RecordedRun& run) {
    std::vector<Fault> faults;
    if (fault_at_call > 0) {
      faults.emplace_back();
      faults.back().call = fault_at_call;
    }
    GuardedHost guarded(*host_, faults);
    return execute(plan, spec_, record("apply"), shipped_kinds(), guarded, *journal_, run, {parallelism_});
  }
  RollbackPlan plan_rollback() { return gpuplan::plan_rollback(*journal_, std::nullopt, host_->identity()); }
  RollbackOutcome roll_back() {
    GuardedHost guarded(*host_, {});
    RunEvents events;
    return gpuplan::roll_back(plan_rollback(), spec_, record("rollback"), shipped_kinds(), guarded, *journal_, events,
                              {parallelism_});
  }

  Journal& journal() { return *journal_; }
  std::string model_text() { return read_all(model_path()); }
  std::string model() { return model_essence(model_path()); }
  std::string owned() {
    std::string out;
    for (const OwnedResource& item : journal_->owned()) {
      out += Json{{"resource", to_json(item.resource)}, {"origin", item.origin}, {"run", item.first_run},
                  {"complete", item.complete}}.dump() + "\n";
    }
    return out;
  }

 private:
  std::string model_path() const {
    std::error_code ignored;
    for (const auto& entry : std::filesystem::directory_iterator(directory_ / "sim", ignored)) {
      if (entry.path().extension() == ".yaml") return entry.path();
    }
    return file_;  // nothing was changed yet
  }
  RunRecord record(const char* command) {
    RunRecord run;
    run.command = command;
    run.host_identity = host_->identity();
    run.started = 1;
    return run;
  }

  TemporaryDirectory directory_{TemporaryDirectory::in_memory()};
  std::size_t parallelism_;
  std::string file_;
  std::unique_ptr<Host> host_;
  std::unique_ptr<Journal> journal_;
  Spec spec_;
};

std::string errors_of(const RunOutcome& outcome) {
  std::string out = "the run ended as " + std::string(to_string(outcome.status));
  for (const ResourceOutcome& item : outcome.resources) {
    if (item.state == ResourceState::unchanged) continue;
    out += "\n  " + item.address.to_string() + " " + std::string(to_string(item.state)) + " " + item.error;
  }
  return out;
}

// Not every edit is one that the server can bear; then the checks refuse it.
bool is_refused(const PlanningResult& result) {
  return !result.plan && !result.diagnostics.has_errors() &&
         std::any_of(result.checks.begin(), result.checks.end(),
                     [](const CheckResult& check) { return check.status == CheckStatus::fail; });
}

// Carries `plan` out with nothing going wrong; then nothing is left to do.
std::string converge(Server& server, const Plan& plan) {
  RecordedRun run;
  const std::vector<OwnedResource> owned = server.journal().owned();
  const RunOutcome outcome = server.carry_out(plan, 0, run);
  if (outcome.status != RunStatus::succeeded) return "an apply that nothing disturbs: " + errors_of(outcome);
  if (std::string wrong = broken_edge(plan, run); !wrong.empty()) return wrong;
  if (std::string wrong = broken_rule(plan, owned, run); !wrong.empty()) return wrong;
  const PlanningResult again = server.plan();
  if (!again.plan) return "no plan after apply: " + errors_of(again.diagnostics);
  for (const Change& change : again.plan->changes) {
    if (change.action == Action::none) continue;
    std::string out = "after apply " + change.address.to_string() + " still needs " + std::string(to_string(change.action));
    for (const std::string& reason : change.reasons) out += ": " + reason;
    return out;
  }
  return {};
}

std::string roll_back_to(Server& server, const std::string& model, const std::string& owned) {
  const RollbackOutcome undone = server.roll_back();
  if (undone.run.status != RunStatus::succeeded) return "rollback: " + errors_of(undone.run);
  if (!undone.differences.empty()) {
    const RollbackDifference& item = undone.differences.front();
    return "rollback finds that `" + item.attribute + "` of " + item.address.to_string() + " is " + item.now;
  }
  const std::string wrong = first_difference(model, server.model());
  if (!wrong.empty()) return "rollback left another server: " + wrong;
  const std::string other = first_difference(owned, server.owned());
  return other.empty() ? "" : "rollback left other ownership: " + other;
}

// Applies each spec, first with its fault, undoing that if it can be undone, then without.
std::string history_holds(const ServerScenario& scenario, Server& server) {
  for (const ServerAttempt& attempt : scenario.attempts) {
    server.declare(attempt.spec);
    const std::string text = server.model_text();
    const std::string model = server.model();
    const std::string owned = server.owned();
    PlanningResult result = server.plan();
    if (server.model_text() != text || server.owned() != owned) return "planning changed something";
    if (is_refused(result)) continue;
    if (!result.plan) return "no plan: " + errors_of(result.diagnostics);
    if (attempt.fault_at_call > 0 && result.plan->has_changes()) {
      RecordedRun run;
      const RunOutcome outcome = server.carry_out(*result.plan, attempt.fault_at_call, run);
      if (std::string wrong = broken_edge(*result.plan, run); !wrong.empty()) return wrong;
      const bool can_undo = outcome.status != RunStatus::succeeded && !outcome.commit_begun;
      if (can_undo) {
        if (std::string wrong = roll_back_to(server, model, owned); !wrong.empty()) return wrong;
      }
      result = server.plan();
      if (!result.plan) return "no plan after a failed apply: " + errors_of(result.diagnostics);
    }
    if (std::string wrong = converge(server, *result.plan); !wrong.empty()) return wrong;
  }
  return {};
}

std::string history_holds(const ServerScenario& scenario) {
  Server server(1);
  return history_holds(scenario, server);
}

// In which order and when things were made is free; so are the identities and secrets made up for them.
std::string without_order(const std::string& text) {
  static const std::regex made_up(
      R"(\b17672[0-9]{5}\b|"uid": "[0-9a-f]{32}"|\b[0-9a-f]{64}\b|\b[a-z0-9]{6}\.[a-z0-9]{16}\b)"
      R"(|\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b)");
  std::vector<std::string> lines;
  std::istringstream in(std::regex_replace(text, made_up, "(made up)"));
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  std::sort(lines.begin(), lines.end());
  std::string out;
  for (const std::string& line : lines) out += line + "\n";
  return out;
}

std::string parallelism_does_not_matter(const ServerScenario& scenario) {
  Server one_at_a_time(1);
  Server all_at_once(64);
  ServerScenario undisturbed = scenario;
  for (ServerAttempt& attempt : undisturbed.attempts) attempt.fault_at_call = 0;
  for (Server* server : {&one_at_a_time, &all_at_once}) {
    if (std::string wrong = history_holds(undisturbed, *server); !wrong.empty()) return wrong;
  }
  return first_difference(without_order(one_at_a_time.model()), without_order(all_at_once.model()));
}

void check_on_random_histories(std::string (*property)(const ServerScenario&), std::size_t default_iterations) {
  const Campaign tried = campaign(default_iterations);
  for (std::size_t i = 0; i < tried.iterations; ++i) {
    const ServerScenario scenario = random_server_scenario(tried.first_seed + i);
    const std::string complaint = property(scenario);
    if (complaint.empty()) continue;
    const ServerScenario simplest = shrink<ServerScenario>(scenario, simpler_server_scenarios, property, 150);
    FAIL(complaint << "\n" << replay_words(scenario.seed) << "; in its simplest form:\n"
                   << describe(simplest) << property(simplest));
  }
}

}  // namespace

TEST_CASE("simulated server: plan apply plan is empty and rollback restores") {
  check_on_random_histories(history_holds, 4);
}

TEST_CASE("simulated server: one stage at a time or many side by side come to the same end") {
  check_on_random_histories(parallelism_does_not_matter, 1);
}
