#include "plan/planner.h"

#include <algorithm>

#include "support/catch.h"
#include "support/toy.h"

using namespace gpuplan;
using namespace toy;

namespace {

struct World {
  ToyHost host;
  std::shared_ptr<ToyKind> kind = std::make_shared<ToyKind>();
  StepKinds kinds;
  std::vector<OwnedResource> owned;
  Spec spec;

  World() { kinds.add(kind); }

  PlanningResult plan() { return plan_apply(spec, kinds, owned, host, {}); }

  // As if an earlier apply had made exactly what is wanted now.
  void make_wanted() {
    for (Resource& resource : kind->expand(spec)) {
      host.file_system.content["/toy/" + std::string(resource.address.name())] = to_json(resource.declared).dump();
      owned.push_back({resource, Json::object(), 1, true});
    }
  }
};

const Change& change_of(const Plan& plan, const std::string& name) {
  const auto found = std::find_if(plan.changes.begin(), plan.changes.end(),
                                  [&](const Change& change) { return change.address.name() == name; });
  REQUIRE(found != plan.changes.end());
  return *found;
}

// The place of a stage in the plan's order; fails the test if it is not there.
std::size_t place(const Plan& plan, const std::string& name, Stage stage) {
  for (std::size_t i = 0; i < plan.stages.size(); ++i) {
    if (plan.changes[plan.stages[i].change].address.name() == name && plan.stages[i].stage == stage) return i;
  }
  FAIL("no stage " << to_string(stage) << " of " << name);
  return 0;
}

// Whether `later` waits, directly or not, for `earlier`.
bool waits_for(const Plan& plan, std::size_t later, std::size_t earlier) {
  for (const std::size_t before : plan.stages[later].after) {
    if (before == earlier || waits_for(plan, before, earlier)) return true;
  }
  return false;
}

}  // namespace

TEST_CASE("what is not there is created, dependencies first") {
  World world;
  world.kind->wanted = {{"b", "red", "round", {}, {"a"}}, {"a", "blue"}};
  const auto result = world.plan();
  REQUIRE(result.plan);
  CHECK(summarize(*result.plan).create == 2);
  CHECK(waits_for(*result.plan, place(*result.plan, "b", Stage::apply), place(*result.plan, "a", Stage::apply)));
  CHECK(to_sentence(summarize(*result.plan)) == "Plan: 2 to create, 0 to update, 0 to replace, 0 to remove; 0 unchanged.");
}

TEST_CASE("planning what is there already plans nothing") {
  World world;
  world.kind->wanted = {{"a", "blue"}, {"b", "red", "round", {}, {"a"}}};
  world.make_wanted();
  const auto result = world.plan();
  REQUIRE(result.plan);
  CHECK_FALSE(result.plan->has_changes());
  CHECK(summarize(*result.plan).none == 2);
}

TEST_CASE("an edge through an unchanged resource still orders what lies behind it") {
  World world;
  world.kind->wanted = {{"a", "blue"}, {"b", "red", "round", {}, {"a"}}, {"c", "green", "round", {}, {"b"}}};
  world.make_wanted();
  world.kind->wanted[0].color = "black";
  world.kind->wanted[2].color = "white";
  const auto result = world.plan();
  REQUIRE(result.plan);
  REQUIRE(result.plan->stages.size() == 2);
  CHECK(waits_for(*result.plan, place(*result.plan, "c", Stage::apply), place(*result.plan, "a", Stage::apply)));
}

TEST_CASE("an attribute that forces it makes a replacement, and what lives inside is replaced with it") {
  World world;
  world.kind->wanted = {{"a", "blue"}, {"b", "red", "round", {}, {"a"}, "a"}};
  world.make_wanted();
  world.kind->wanted[0].shape = "square";
  const auto result = world.plan();
  REQUIRE(result.plan);
  const Plan& plan = *result.plan;
  CHECK(change_of(plan, "a").action == Action::replace);
  CHECK(change_of(plan, "b").action == Action::replace);
  REQUIRE_THAT(change_of(plan, "b").reasons.at(0), contains("toy/a, in which it lives, is replaced"));
  // Content goes before its container, and comes back after it.
  CHECK(waits_for(plan, place(plan, "a", Stage::withdraw), place(plan, "b", Stage::withdraw)));
  CHECK(waits_for(plan, place(plan, "a", Stage::apply), place(plan, "a", Stage::withdraw)));
  CHECK(waits_for(plan, place(plan, "b", Stage::apply), place(plan, "a", Stage::apply)));
}

TEST_CASE("what is declared no more is removed, dependents first, and nobody else changes") {
  World world;
  world.kind->wanted = {{"a", "blue"}, {"b", "red", "round", {}, {"a"}}, {"c", "green"}};
  world.make_wanted();
  world.kind->wanted.erase(world.kind->wanted.begin(), world.kind->wanted.begin() + 2);
  const auto result = world.plan();
  REQUIRE(result.plan);
  const Plan& plan = *result.plan;
  CHECK(summarize(plan).remove == 2);
  CHECK(change_of(plan, "c").action == Action::none);
  CHECK(waits_for(plan, place(plan, "a", Stage::withdraw), place(plan, "b", Stage::withdraw)));
}

TEST_CASE("a resource that lets go of a removed dependency in its apply comes first") {
  World world;
  world.kind->wanted = {{"a", "blue"}, {"b", "red", "round", {}, {"a"}}};
  world.make_wanted();
  world.kind->wanted = {{"b", "pink"}};
  const auto result = world.plan();
  REQUIRE(result.plan);
  CHECK(waits_for(*result.plan, place(*result.plan, "a", Stage::withdraw), place(*result.plan, "b", Stage::apply)));
}

TEST_CASE("an exclusive item is released before another resource takes it") {
  World world;
  world.kind->wanted = {{"a", "blue", "round", {"gpu0"}}, {"b", "red", "round", {"gpu1"}}};
  world.make_wanted();
  SECTION("moved") {
    world.kind->wanted[0].items = {"gpu0", "gpu1"};
    world.kind->wanted[1].items = {};
  }
  SECTION("swapped") { std::swap(world.kind->wanted[0].items, world.kind->wanted[1].items); }
  const auto result = world.plan();
  REQUIRE(result.plan);
  const Plan& plan = *result.plan;
  CHECK(summarize(plan).update == 2);
  CHECK(waits_for(plan, place(plan, "a", Stage::apply), place(plan, "b", Stage::withdraw)));
}

TEST_CASE("an item of what goes with its container is released by the container") {
  World world;
  ToyResource inner{"i", "red", "round", {"gpu0"}, {"a"}, "a"};
  inner.goes_along = true;
  world.kind->wanted = {{"a", "blue"}, inner, {"b", "red"}};
  world.make_wanted();
  world.kind->wanted = {{"b", "red", "round", {"gpu0"}}};
  const auto result = world.plan();
  REQUIRE(result.plan);
  CHECK(waits_for(*result.plan, place(*result.plan, "b", Stage::apply), place(*result.plan, "a", Stage::withdraw)));
}

TEST_CASE("what cannot be undone, and what must follow it, runs in the commit phase, last") {
  World world;
  ToyResource node{"n", "red", "round", {}, {"m"}};
  node.drains = true;
  ToyResource machine{"m", "blue"};
  machine.has_disk = true;
  world.kind->wanted = {machine, node, {"x", "green"}};
  world.make_wanted();
  world.kind->wanted = {{"x", "white"}};
  const auto result = world.plan();
  REQUIRE(result.plan);
  const Plan& plan = *result.plan;
  CHECK_FALSE(plan.stages[place(plan, "x", Stage::apply)].commit_phase);
  CHECK(plan.stages[place(plan, "n", Stage::withdraw)].commit_phase);
  CHECK(plan.stages[place(plan, "m", Stage::withdraw)].commit_phase);
  CHECK(plan.stages[place(plan, "m", Stage::commit)].commit_phase);
  CHECK(place(plan, "x", Stage::apply) == 0);
  CHECK(summarize(plan).irreversible == 2);
  REQUIRE_THAT(to_sentence(summarize(plan)), contains("2 cannot be undone."));
}

TEST_CASE("a removal whose disk goes last keeps its reversible part out of the commit phase") {
  World world;
  ToyResource machine{"m", "blue"};
  machine.has_disk = true;
  world.kind->wanted = {machine};
  world.make_wanted();
  const auto result = plan_destroy("gpu", world.kinds, world.owned, world.host, {});
  REQUIRE(result.plan);
  CHECK_FALSE(result.plan->stages[place(*result.plan, "m", Stage::withdraw)].commit_phase);
  CHECK(result.plan->stages[place(*result.plan, "m", Stage::commit)].commit_phase);
}

TEST_CASE("a failed check prevents a plan, and all checks are reported") {
  World world;
  world.kind->wanted = {{"a", "blue"}};
  CheckResult fail;
  fail.name = "weather";
  fail.address = Address("toy", "a");
  fail.status = CheckStatus::fail;
  SECTION("an ordinary one") {
    world.kind->checks = {fail, fail};
    const auto result = world.plan();
    CHECK_FALSE(result.plan);
    CHECK(result.checks.size() == 2);
    CHECK_FALSE(result.needs_reboot);
  }
  SECTION("one that only a reboot helps") {
    fail.needs_reboot = true;
    world.kind->checks = {fail};
    CHECK(world.plan().needs_reboot);
  }
  SECTION("a warning does not") {
    fail.status = CheckStatus::warn;
    world.kind->checks = {fail};
    CHECK(world.plan().plan);
  }
}

TEST_CASE("an owned resource without its plugin is an error, not forgotten") {
  World world;
  Resource lost;
  lost.address = Address("lost", "x");
  world.owned.push_back({lost, Json(), 1, true});
  const auto result = world.plan();
  CHECK_FALSE(result.plan);
  REQUIRE(result.diagnostics.error_count() == 1);
  REQUIRE_THAT(render(result.diagnostics.items()[0], false), contains("no plugin for `lost` is loaded"));
}
