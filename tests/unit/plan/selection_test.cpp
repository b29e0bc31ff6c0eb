#include "plan/selection.h"

#include "plan/planner.h"
#include "support/catch.h"
#include "support/toy.h"

using namespace gpuplan;
using namespace toy;

namespace {

// gpu-1, gpu-2 → vm-a, vm-b (which hold them) → node-a, node-b (which live in them) → operator, which
// only has to come after the nodes.
struct Cluster {
  ToyHost host;
  std::shared_ptr<ToyKind> gpus = std::make_shared<ToyKind>();
  StepKinds kinds;
  std::vector<OwnedResource> owned;
  Selection selection;

  Cluster() {
    kinds.add(gpus);
    gpus->wanted = {{"gpu-1", "red"},
                    {"gpu-2", "red"},
                    {"vm-a", "red", "round", {"gpu-1"}, {"gpu-1"}},
                    {"vm-b", "red", "round", {"gpu-2"}, {"gpu-2"}},
                    {"node-a", "red", "round", {}, {"vm-a"}, "vm-a"},
                    {"node-b", "red", "round", {}, {"vm-b"}, "vm-b"},
                    {"operator", "red", "round", {}, {"node-a", "node-b"}}};
  }

  void make() {
    for (Resource& resource : gpus->expand({})) {
      host.file_system.content["/toy/" + std::string(resource.address.name())] = to_json(resource.declared).dump();
      owned.push_back({resource, Json::object(), 1, true});
    }
  }
  PlannerOptions options() const {
    PlannerOptions out;
    out.selection = selection;
    return out;
  }
  PlanningResult apply() { return plan_apply({}, kinds, owned, host, options()); }
  PlanningResult destroy() { return plan_destroy("toy", kinds, owned, host, options()); }
};

Address toy_address(const char* name) { return Address("toy", name); }

std::set<std::string> names(const PlanningResult& result) {
  std::set<std::string> out;
  REQUIRE(result.plan);
  for (const Change& change : result.plan->changes) out.emplace(change.address.name());
  return out;
}

std::string first_error(const PlanningResult& result) {
  for (const Diagnostic& item : result.diagnostics.items()) {
    if (item.severity == Severity::error) return item.summary + " | " + item.remedy;
  }
  return "no error";
}

using Names = std::set<std::string>;

}  // namespace

TEST_CASE("a target brings along what it depends on, and nothing else") {
  Cluster cluster;
  cluster.selection.targets = {toy_address("node-a")};
  const PlanningResult result = cluster.apply();
  CHECK(names(result) == Names{"gpu-1", "vm-a", "node-a"});
  REQUIRE(result.plan->warnings.size() == 1);
  CHECK(result.plan->warnings[0].summary == "this is about 3 of 7 resources");
}

TEST_CASE("an exclude takes along what depends on it") {
  Cluster cluster;
  cluster.selection.excludes = {toy_address("vm-a")};
  CHECK(names(cluster.apply()) == Names{"gpu-1", "gpu-2", "vm-b", "node-b"});
}

TEST_CASE("a target of destroy takes along what cannot be without it, not what merely comes after") {
  Cluster cluster;
  cluster.make();
  cluster.selection.targets = {toy_address("gpu-1")};
  CHECK(names(cluster.destroy()) == Names{"gpu-1", "vm-a", "node-a"});
  SECTION("until the last of its kind goes") {
    cluster.selection.targets = {toy_address("gpu-1"), toy_address("gpu-2")};
    // Everything here is of one kind, so the operator goes with the last node.
    CHECK(names(cluster.destroy()).count("vm-b") == 1);
  }
}

TEST_CASE("an exclude of destroy stays with all that it needs") {
  Cluster cluster;
  cluster.make();
  cluster.selection.excludes = {toy_address("node-b")};
  CHECK(names(cluster.destroy()) == Names{"gpu-1", "vm-a", "node-a", "operator"});
}

TEST_CASE("an address that is not there is an error with the nearest one") {
  Cluster cluster;
  cluster.selection.targets = {toy_address("vm-c")};
  CHECK(first_error(cluster.apply()) == "--target: there is no toy/vm-c | did you mean toy/vm-a?");
}

TEST_CASE("--replace makes anew what nothing asks for, with all that lives in it") {
  Cluster cluster;
  cluster.make();
  cluster.selection.replaces = {toy_address("vm-a")};
  const PlanningResult result = cluster.apply();
  REQUIRE(result.plan);
  for (const Change& change : result.plan->changes) {
    INFO(change.address.to_string());
    const bool anew = change.address.name() == "vm-a" || change.address.name() == "node-a";
    CHECK((change.action == Action::replace) == anew);
    CHECK((change.action == Action::none) == !anew);
  }
}

TEST_CASE("--replace refuses what gpuplan has not made, and what another holds") {
  Cluster cluster;
  SECTION("not made") {
    cluster.selection.replaces = {toy_address("vm-a")};
    CHECK(first_error(cluster.apply()) == "--replace: gpuplan has not made toy/vm-a | leave --replace away");
  }
  SECTION("held") {
    cluster.make();
    cluster.selection.replaces = {toy_address("gpu-1")};
    CHECK(first_error(cluster.apply()) ==
          "toy/gpu-1 is replaced, but toy/vm-a holds it and is left as it is | name toy/vm-a in the same way too, or "
          "plan for all resources");
    cluster.selection.replaces.push_back(toy_address("vm-a"));
    CHECK(first_error(cluster.apply()) == "no error");
  }
}

TEST_CASE("a partial plan does not take from those that it leaves alone") {
  Cluster cluster;
  cluster.make();
  SECTION("a GPU that another VM still holds") {
    cluster.gpus->wanted[3].items = {"gpu-1"};
    cluster.gpus->wanted[3].needs = {"gpu-1"};
    cluster.selection.targets = {toy_address("vm-b")};
    CHECK_THAT(first_error(cluster.apply()), contains("toy/vm-b is to get gpu-1, but toy/vm-a holds it"));
  }
  SECTION("the VM under a node") {
    cluster.gpus->wanted[2].shape = "square";
    cluster.selection.targets = {toy_address("vm-a")};
    CHECK_THAT(first_error(cluster.apply()), contains("toy/vm-a is replaced, but toy/node-a lives in it"));
  }
}
