// The executor and rollback on a real journal, with resources that are files.
#include <algorithm>
#include <fstream>
#include <iterator>

#include "apply/executor.h"
#include "apply/rollback.h"
#include "host/interrupt.h"
#include "plan/planner.h"
#include "support/catch.h"
#include "support/temporary_directory.h"
#include "support/toy.h"

using namespace gpuplan;
using namespace toy;

namespace {

struct World {
  TemporaryDirectory directory;
  ToyHost host;
  std::shared_ptr<ToyKind> kind = std::make_shared<ToyKind>();
  StepKinds kinds;
  Spec spec;
  std::unique_ptr<Journal> journal = Journal::open(directory / "journal.db", "gpu");
  std::size_t parallelism = 4;

  World() { kinds.add(kind); }

  Plan plan() {
    auto result = plan_apply(spec, kinds, journal->owned(), host, {});
    REQUIRE(result.plan);
    return *result.plan;
  }

  static RunRecord record(const char* command) {
    RunRecord run;
    run.command = command;
    run.argv = std::string("gpuplan ") + command;
    run.host_identity = "toy";
    run.started = 1;
    return run;
  }

  RunOutcome apply(std::vector<Fault> faults = {}) { return execute_plan(plan(), std::move(faults)); }

  RunOutcome execute_plan(const Plan& planned, std::vector<Fault> faults = {}) {
    GuardedHost guarded(host, std::move(faults));
    RunEvents events;
    return execute(planned, spec, record("apply"), kinds, guarded, *journal, events, {parallelism});
  }

  RollbackOutcome rollback(std::optional<std::int64_t> run = std::nullopt, std::vector<Fault> faults = {}) {
    const RollbackPlan planned = plan_rollback(*journal, run, "toy");
    REQUIRE(planned.refusal.empty());
    GuardedHost guarded(host, std::move(faults));
    RunEvents events;
    return roll_back(planned, spec, record("rollback"), kinds, guarded, *journal, events, {parallelism});
  }
};

ResourceState state_of(const RunOutcome& outcome, const std::string& name) {
  for (const ResourceOutcome& item : outcome.resources) {
    if (item.address.name() == name) return item.state;
  }
  return ResourceState::pending;
}

Fault fail_at(const std::string& name) {
  Fault fault;
  fault.address = "toy/" + name;
  return fault;
}

// Colors are secrets.
class SecretKind : public ToyKind {
 public:
  const Schema& schema() const override {
    static const Schema schema = [this] {
      Schema out = ToyKind::schema();
      out.front().sensitive = true;
      return out;
    }();
    return schema;
  }
};

struct UndoInterrupt {
  ~UndoInterrupt() { Interrupt::request(0); }
};

}  // namespace

TEST_CASE("apply makes what is declared; applying again changes nothing") {
  World world;
  world.kind->wanted = {{"a", "blue"}, {"b", "red", "round", {}, {"a"}}};
  const RunOutcome outcome = world.apply();
  CHECK(outcome.status == RunStatus::succeeded);
  CHECK(state_of(outcome, "a") == ResourceState::created);
  CHECK(state_of(outcome, "b") == ResourceState::created);
  CHECK(world.host.file_system.content.size() == 2);
  CHECK(world.journal->owned().size() == 2);
  CHECK_FALSE(world.plan().has_changes());
}

TEST_CASE("a failed step skips its dependents, not its neighbours, and rollback restores everything") {
  World world;
  world.host.file_system.content["/other"] = "untouched";
  const auto before = world.host.file_system.content;
  world.kind->wanted = {{"a", "blue"}, {"b", "red", "round", {}, {"a"}}, {"c", "green", "round", {}, {"b"}}, {"d", "white"}};
  const RunOutcome outcome = world.apply({fail_at("b")});
  CHECK(outcome.status == RunStatus::failed);
  CHECK(state_of(outcome, "a") == ResourceState::created);
  CHECK(state_of(outcome, "b") == ResourceState::failed);
  CHECK(state_of(outcome, "c") == ResourceState::skipped);
  CHECK(state_of(outcome, "d") == ResourceState::created);

  const RollbackOutcome undone = world.rollback();
  CHECK(undone.run.status == RunStatus::succeeded);
  CHECK(undone.differences.empty());
  CHECK(undone.verified == 3);  // c was never touched
  CHECK(undone.oldest_run == 1);
  CHECK(state_of(undone.run, "a") == ResourceState::undone);
  CHECK(world.host.file_system.content == before);
  CHECK(world.journal->owned().empty());
  CHECK(plan_rollback(*world.journal, std::nullopt, "toy").runs.empty());
}

TEST_CASE("rollback brings a secret back that the journal does not hold") {
  World world;
  world.kinds = {};
  world.kind = std::make_shared<SecretKind>();
  world.kinds.add(world.kind);
  world.kind->wanted = {{"a", "first-secret"}};
  world.apply();
  const auto before = world.host.file_system.content;
  world.kind->wanted = {{"a", "second-secret"}, {"b", "third-secret", "round", {}, {"a"}}};
  CHECK(world.apply({fail_at("b")}).status == RunStatus::failed);
  CHECK(world.host.file_system.content.at("/toy/a").find("second-secret") != std::string::npos);
  for (const char* name : {"journal.db", "journal.db-wal"}) {
    std::ifstream file(world.directory / name, std::ios::binary);
    const std::string bytes{std::istreambuf_iterator<char>(file), {}};
    CHECK(bytes.size() > 0);
    CHECK(bytes.find("-secret") == std::string::npos);
  }
  CHECK(world.rollback().differences.empty());
  CHECK(world.host.file_system.content == before);
}

TEST_CASE("apply goes on from where a failed run stopped") {
  World world;
  world.kind->wanted = {{"a", "blue"}, {"b", "red", "round", {}, {"a"}}};
  world.apply({fail_at("b")});
  const RunOutcome outcome = world.apply();
  CHECK(outcome.status == RunStatus::succeeded);
  CHECK(state_of(outcome, "a") == ResourceState::unchanged);
  CHECK(state_of(outcome, "b") == ResourceState::created);
  CHECK_FALSE(world.plan().has_changes());
  CHECK(plan_rollback(*world.journal, std::nullopt, "toy").runs.empty());
}

TEST_CASE("rollback undoes all runs since the last successful one as one chain") {
  World world;
  world.kind->wanted = {{"a", "blue"}};
  world.apply();
  const auto good = world.host.file_system.content;
  world.kind->wanted = {{"a", "red"}, {"b", "red", "round", {}, {"a"}}};
  world.apply({fail_at("b")});
  world.kind->wanted = {{"a", "green"}, {"b", "red", "round", {}, {"a"}}};
  world.apply({fail_at("b")});

  const RollbackPlan plan = plan_rollback(*world.journal, std::nullopt, "toy");
  CHECK(plan.runs == std::vector<std::int64_t>{3, 2});
  const RollbackOutcome undone = world.rollback();
  CHECK(undone.differences.empty());
  CHECK(undone.oldest_run == 2);
  CHECK(world.host.file_system.content == good);
  CHECK(world.journal->owned().size() == 1);
  world.kind->wanted = {{"a", "blue"}};
  CHECK_FALSE(world.plan().has_changes());
}

TEST_CASE("rollback gives back what was recorded of resources that the run found unchanged") {
  World world;
  world.kind->wanted = {{"a", "blue"}, {"b", "red", "round", {}, {"a"}}};
  world.apply();
  world.kind->wanted = {{"a", "green"}, {"b", "red"}};  // b is the same, and needs a no more
  SECTION("by its number") {
    world.apply();
    world.rollback(2);
  }
  SECTION("after failures, as a chain") {
    world.apply({fail_at("a")});
    world.apply({fail_at("a")});
    world.rollback();
  }
  REQUIRE(world.journal->owned().size() == 2);
  CHECK(world.journal->owned()[1].resource.depends_on == std::vector<Address>{Address("toy", "a")});
}

TEST_CASE("a rollback by number leaves alone what a later run recorded") {
  World world;
  world.kind->wanted = {{"a", "blue"}};
  world.apply();
  world.kind->wanted = {{"a", "blue"}, {"b", "red"}};
  world.apply();
  world.kind->wanted = {{"a", "blue", "round", {}, {"c"}}, {"b", "red"}, {"c", "white"}};
  world.apply();  // a is unchanged in runs 2 and 3, but needs c from run 3 on
  CHECK(world.rollback(2).run.status == RunStatus::succeeded);
  REQUIRE(world.journal->owned().size() == 2);
  CHECK(world.journal->owned()[0].resource.depends_on == std::vector<Address>{Address("toy", "c")});
}

TEST_CASE("what goes with a container that is replaced is removed") {
  World world;
  ToyResource inner{"b", "red", "round", {}, {"a"}, "a"};
  inner.goes_along = true;
  world.kind->wanted = {{"a", "blue"}, inner};
  world.apply();
  world.kind->wanted = {{"a", "blue", "square"}};
  const RunOutcome outcome = world.apply();
  CHECK(outcome.status == RunStatus::succeeded);
  CHECK(state_of(outcome, "b") == ResourceState::removed);
  CHECK(world.journal->owned().size() == 1);
}

TEST_CASE("one run cannot be undone when a later one touched the same resource") {
  World world;
  world.kind->wanted = {{"a", "blue"}};
  world.apply();
  world.kind->wanted = {{"a", "red"}, {"b", "white"}};
  world.apply();
  REQUIRE_THAT(plan_rollback(*world.journal, 1, "toy").refusal,
               contains("the later run 2 touched toy/a as well"));
  CHECK(plan_rollback(*world.journal, 2, "toy").refusal.empty());
  REQUIRE_THAT(plan_rollback(*world.journal, 9, "toy").refusal, contains("there is no run 9"));
}

TEST_CASE("another host's run is refused") {
  World world;
  world.kind->wanted = {{"a", "blue"}, {"b", "red"}};
  world.apply({fail_at("b")});
  REQUIRE_THAT(plan_rollback(*world.journal, std::nullopt, "elsewhere").refusal, contains("was made on another host"));
}

TEST_CASE("a resource that moved since the plan is left alone") {
  World world;
  world.kind->wanted = {{"a", "blue"}};
  world.apply();
  world.kind->wanted = {{"a", "red"}, {"b", "white"}};
  const Plan plan = world.plan();
  world.host.file_system.content["/toy/a"] = to_json(Attributes{{"color", "pink"}, {"shape", "round"}}).dump();
  const RunOutcome outcome = world.execute_plan(plan);
  CHECK(state_of(outcome, "a") == ResourceState::failed);
  CHECK(state_of(outcome, "b") == ResourceState::created);
  REQUIRE_THAT(outcome.resources[0].error,
               contains("the host has changed since this was planned: `color` was blue and is pink now"));
  REQUIRE_THAT(world.host.file_system.content["/toy/a"], contains("pink"));
}

TEST_CASE("a resource that has become as declared since the plan is done") {
  World world;
  world.kind->wanted = {{"a", "blue"}};
  world.apply();
  world.kind->wanted = {{"a", "red"}};
  const Plan plan = world.plan();
  std::string& made = world.host.file_system.content["/toy/a"];
  made.replace(made.find("blue"), 4, "red");
  const RunOutcome outcome = world.execute_plan(plan);
  INFO(outcome.resources[0].error);
  CHECK(outcome.status == RunStatus::succeeded);
  CHECK(state_of(outcome, "a") == ResourceState::updated);
  CHECK_FALSE(world.plan().has_changes());
}

TEST_CASE("a step that claims success without a result fails") {
  World world;
  world.kind->wanted = {{"a", "blue"}};
  world.kind->lies = true;
  const RunOutcome outcome = world.apply();
  CHECK(outcome.status == RunStatus::failed);
  REQUIRE_THAT(outcome.resources[0].error,
               contains("the step ended without an error, but afterwards the host is not as declared: it does not exist"));
}

TEST_CASE("swapping exclusive items, failing in the middle, and rolling back") {
  World world;
  world.kind->wanted = {{"a", "blue", "round", {"gpu0"}}, {"b", "red", "round", {"gpu1"}}};
  world.apply();
  const auto good = world.host.file_system.content;
  std::swap(world.kind->wanted[0].items, world.kind->wanted[1].items);
  SECTION("it works") {
    CHECK(world.apply().status == RunStatus::succeeded);
    CHECK_FALSE(world.plan().has_changes());
  }
  SECTION("every mutating call fails once") {
    for (std::int64_t call = 1; call <= 8; ++call) {
      Fault fault;
      fault.call = call;
      world.parallelism = 1;
      const RunOutcome outcome = world.apply({fault});
      INFO("call " << call);
      REQUIRE(outcome.status == RunStatus::failed);
      CHECK(world.rollback().differences.empty());
      CHECK(world.host.file_system.content == good);
    }
  }
}

TEST_CASE("the commit phase does not begin after a failure, and ends the offer to roll back") {
  World world;
  ToyResource machine{"m", "blue"};
  machine.has_disk = true;
  world.kind->wanted = {machine, {"x", "green"}};
  world.apply();
  const auto good = world.host.file_system.content;
  world.kind->wanted = {{"x", "white"}};
  SECTION("a failure before it") {
    const RunOutcome outcome = world.apply({fail_at("x")});
    CHECK_FALSE(outcome.commit_begun);
    CHECK(state_of(outcome, "m") == ResourceState::interrupted);  // withdrawn, its disk kept
    CHECK(world.host.file_system.content.count("/toy/deleted-m") == 0);
    CHECK(world.rollback().differences.empty());
    CHECK(world.host.file_system.content == good);
  }
  SECTION("a failure in it") {
    world.parallelism = 1;
    Fault fault;
    fault.call = 5;  // m's withdraw is one call, x's apply three, then the commit
    const RunOutcome outcome = world.apply({fault});
    CHECK(outcome.status == RunStatus::failed);
    CHECK(outcome.commit_begun);
    REQUIRE_THAT(plan_rollback(*world.journal, std::nullopt, "toy").refusal, contains("it has begun to do what cannot be brought back"));
    CHECK(world.apply().status == RunStatus::succeeded);
    CHECK(world.host.file_system.content.count("/toy/deleted-m") == 1);
    CHECK(world.journal->owned().size() == 1);
  }
}

TEST_CASE("an interrupt starts nothing new and leaves a journal that both ways understand") {
  World world;
  const UndoInterrupt undo;
  world.kind->wanted = {{"a", "blue"}, {"b", "red", "round", {}, {"a"}}};
  const Plan plan = world.plan();
  Interrupt::request(2);
  const RunOutcome outcome = world.execute_plan(plan);
  CHECK(outcome.status == RunStatus::interrupted);
  CHECK(state_of(outcome, "b") == ResourceState::skipped);
  Interrupt::request(0);
  CHECK(world.rollback().run.status == RunStatus::succeeded);
  CHECK(world.host.file_system.content.empty());
}

TEST_CASE("a rollback that fails half way says so and can be repeated") {
  World world;
  world.kind->wanted = {{"a", "blue"}, {"b", "red", "round", {}, {"a"}}, {"c", "green", "round", {}, {"b"}}};
  world.apply({fail_at("c")});
  const RollbackOutcome first = world.rollback(std::nullopt, {fail_at("b")});
  CHECK(first.run.status == RunStatus::failed);
  CHECK(state_of(first.run, "b") == ResourceState::failed);
  CHECK(state_of(first.run, "a") == ResourceState::skipped);
  CHECK_FALSE(first.differences.empty());
  const RollbackOutcome second = world.rollback();
  CHECK(second.run.status == RunStatus::succeeded);
  CHECK(second.differences.empty());
  CHECK(world.host.file_system.content.empty());
}
