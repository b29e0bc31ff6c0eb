// What a step kind does unless it says otherwise.
#include "plugin/step_kind.h"

#include <stdexcept>

#include "support/catch.h"

using namespace gpuplan;

namespace {

class MinimalKind : public StepKind {
 public:
  std::string_view kind() const override { return "minimal"; }
  const Schema& schema() const override { return schema_; }
  std::vector<Resource> expand(const Spec& /*spec*/) const override { return {}; }
  std::vector<CheckResult> check(const Resource& /*resource*/, const Spec& /*spec*/, const Prior& /*prior*/,
                                 HostReader& /*host*/) const override {
    return {};
  }
  Observation observe(const Resource& /*resource*/, const Prior& /*prior*/, HostReader& /*host*/) const override {
    return {};
  }
  Json capture(const Change& /*change*/, HostReader& /*host*/) const override { return nullptr; }
  void apply(const Change& /*change*/, const Json& /*captured*/, Host& /*host*/,
             StepContext& /*context*/) const override {}
  void undo(Stage /*stage*/, const Change& /*change*/, const Json& /*captured*/, Host& /*host*/,
            StepContext& /*context*/) const override {}

 private:
  Schema schema_{{.name = "driver"}};
};

class NothingWithdrawn : public RemovalScope {
 public:
  bool is_withdrawn(const Address& /*address*/) const override { return false; }
};

}  // namespace

TEST_CASE("step kind: compares by its schema") {
  Resource resource;
  resource.address = Address("minimal", "x");
  resource.declared = {{"driver", std::string("vfio-pci")}};
  const Change change = MinimalKind().compare(resource, {}, {});
  CHECK(change.action == Action::create);
  CHECK(change.attributes.size() == 1);
}

TEST_CASE("step kind: a removal is one withdraw that can be undone") {
  Change change;
  change.action = Action::remove;
  MinimalKind().plan_removal(change, NothingWithdrawn());
  CHECK(change.has_withdraw);
  CHECK_FALSE(change.has_apply);
  CHECK_FALSE(change.has_commit);
  CHECK(change.reversible());
}

TEST_CASE("resource: the names of actions and stages lead back to them") {
  for (const Action action : {Action::none, Action::create, Action::update, Action::replace, Action::remove}) {
    CHECK(action_from_string(to_string(action)) == action);
  }
  for (const Stage stage : {Stage::withdraw, Stage::apply, Stage::commit}) {
    CHECK(stage_from_string(to_string(stage)) == stage);
  }
  CHECK(to_string(Action::replace) == "replace");
  CHECK_FALSE(action_from_string("destroy"));
  CHECK_FALSE(stage_from_string(""));
}
