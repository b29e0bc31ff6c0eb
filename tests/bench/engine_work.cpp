#include "bench/engine_work.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <stdexcept>

#include "apply/executor.h"
#include "bench/bench_kind.h"
#include "bench/child.h"
#include "plan/planner.h"
#include "support/toy.h"

namespace bench {
namespace {

using Present = BenchKind::Present;

double seconds_since(std::chrono::steady_clock::time_point began) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
}

// An engine with one step kind, watched as the program watches it.
struct World {
  std::shared_ptr<BenchKind> kind;
  StepKinds kinds;
  toy::ToyHost host;
  Spec spec;
  CallWatch watch{[](const Diagnostic& note) { fmt::print(stderr, "{}\n", note.summary); }};

  World(std::size_t count, Present present) : kind(std::make_shared<BenchKind>(count, present)) { kinds.add(kind); }

  Plan plan(const std::vector<OwnedResource>& owned) {
    PlannerOptions options;
    options.watch = &watch;
    PlanningResult result = plan_apply(spec, kinds, owned, host, options);
    if (!result.plan) {
      const auto& problems = result.diagnostics.items();
      throw std::runtime_error("there is no plan: " + (problems.empty() ? "a check failed" : problems[0].summary));
    }
    return std::move(*result.plan);
  }
};

std::vector<OwnedResource> all_owned(const World& world) {
  std::vector<OwnedResource> out;
  for (Resource& resource : world.kind->expand(world.spec)) {
    out.push_back({std::move(resource), Json::object(), 1, true});
  }
  return out;
}

std::vector<OwnedResource> owned_in(const std::string& path) {
  const auto journal = Journal::open_read_only(path, "bench");
  if (!journal) throw std::runtime_error("there is no journal " + path);
  return journal->owned();
}

}  // namespace

int no_change_plan(std::size_t count, const std::string& journal) {
  World world(count, Present::all);
  const std::vector<OwnedResource> owned = journal.empty() ? all_owned(world) : owned_in(journal);
  const auto began = std::chrono::steady_clock::now();
  const Plan plan = world.plan(owned);
  fmt::print("{}\n", seconds_since(began));
  std::fflush(stdout);
  if (plan.has_changes() || plan.changes.size() != count) throw std::runtime_error("the plan is not without changes");
  _exit(0);  // as the time to give the memory back is not the engine's
}

int apply(std::size_t count, const std::string& journal_path) {
  World world(count, Present::none);
  const Plan plan = world.plan({});
  const auto journal = Journal::open(journal_path, "bench");
  GuardedHost guarded(world.host, {});
  RunEvents events;
  RunRecord record;
  record.command = "apply";
  record.host_identity = "bench";
  ExecutorOptions options;
  options.watch = &world.watch;
  const auto began = std::chrono::steady_clock::now();
  const RunOutcome outcome = execute(plan, world.spec, record, world.kinds, guarded, *journal, events, options);
  fmt::print("{}\n", seconds_since(began));
  if (outcome.status != RunStatus::succeeded) throw std::runtime_error("the apply did not succeed");
  return 0;
}

int sync_cost(const std::string& directory) {
  constexpr std::size_t times = 300;
  const std::string path = directory + "/sync";
  const int descriptor = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (descriptor < 0) throw std::runtime_error("cannot write " + path);
  const std::string page(4096, 'x');
  std::vector<double> seconds;
  for (std::size_t i = 0; i < times; ++i) {
    const bool written = write(descriptor, page.data(), page.size()) == static_cast<ssize_t>(page.size());
    const auto began = std::chrono::steady_clock::now();
    if (!written || fdatasync(descriptor) != 0) throw std::runtime_error("cannot write " + path);
    seconds.push_back(seconds_since(began));
  }
  close(descriptor);
  unlink(path.c_str());
  fmt::print("{}\n", median(std::move(seconds)));
  return 0;
}

}  // namespace bench
