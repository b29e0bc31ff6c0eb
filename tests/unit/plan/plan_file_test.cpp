#include "plan/plan_file.h"

#include "support/catch.h"
#include "support/toy.h"

using namespace gpuplan;

namespace {

Change sample_change(const char* color) {
  Change change;
  change.address = Address("toy", "a");
  change.action = Action::update;
  change.resource.address = change.address;
  change.resource.declared = {{"color", std::string("crimson")}};
  change.before.exists = true;
  change.before.attributes = {{"color", std::string(color)}, {"weight", std::int64_t{7}}};
  change.has_apply = true;
  return change;
}

SavedPlan sample() {
  SavedPlan saved;
  saved.plan.cluster = "gpu";
  saved.plan.spec_name = "a.yaml";
  saved.plan.spec_sha256 = std::string(64, 'a');
  saved.plan.host_identity = "host-1";
  saved.plan.selection.targets = {Address("toy", "a")};
  saved.plan.changes = {sample_change("blue")};
  saved.spec_path = "/etc/gpuplan/a.yaml";
  saved.last_run = 7;
  saved.last_run_sha256 = std::string(64, 'b');
  return saved;
}

std::string error_of(const std::string& text) {
  try {
    read_plan_file(text, "today.plan");
  } catch (const PlanFileError& error) {
    return error.what();
  }
  return "no error";
}

StepKinds toy_kinds() {
  StepKinds kinds;
  kinds.add(std::make_shared<toy::ToyKind>());
  return kinds;
}

std::string replaced(std::string text, const std::string& what, const std::string& with) {
  const std::size_t at = text.find(what);
  REQUIRE(at != std::string::npos);
  return text.replace(at, what.size(), with);
}

}  // namespace

TEST_CASE("a saved plan is read as it was written") {
  const SavedPlan saved = sample();
  const std::string text = plan_file_text(saved);
  CHECK(is_plan_file(text));
  const SavedPlan read = read_plan_file(text, "today.plan");
  CHECK(plan_file_text(read) == text);
  CHECK(read.last_run == 7);
  CHECK(read.last_run_sha256 == saved.last_run_sha256);
  CHECK(read.plan.selection == saved.plan.selection);
  CHECK(moved_since(read, saved.plan, toy_kinds()).empty());
}

TEST_CASE("a spec is no saved plan") {
  CHECK_FALSE(is_plan_file("cluster: gpu\n"));
  CHECK_FALSE(is_plan_file("{\"cluster\": \"gpu\"}"));
  CHECK_FALSE(is_plan_file(""));
}

TEST_CASE("a saved plan that is not whole is refused") {
  const std::string text = plan_file_text(sample());
  SECTION("cut at every length") {
    for (std::size_t length = 0; length + 1 < text.size(); ++length) {
      INFO(length);
      CHECK(error_of(text.substr(0, length)) != "no error");
    }
    CHECK_THAT(error_of(text.substr(0, 40)), contains("today.plan is cut short or damaged; make a new plan"));
  }
  SECTION("one byte changed anywhere") {
    for (std::size_t at = 0; at + 1 < text.size(); ++at) {
      std::string changed = text;
      changed[at] = changed[at] == 'x' ? 'y' : 'x';
      INFO(at);
      CHECK(error_of(changed) != "no error");
    }
    CHECK_THAT(error_of(replaced(text, "blue", "gray")), contains("was changed after it was made"));
  }
  SECTION("of a newer version") {
    CHECK_THAT(error_of(replaced(text, "\"gpuplan_plan_file\":2", "\"gpuplan_plan_file\":3")),
               contains("has plan format 3, and this gpuplan reads 2"));
  }
}

TEST_CASE("no sensitive value is in a saved plan") {
  SavedPlan saved = sample();
  saved.plan.changes[0].sensitive = {"color"};
  const std::string text = plan_file_text(saved);
  CHECK(text.find("blue") == std::string::npos);
  CHECK(text.find("crimson") == std::string::npos);
  // The same secret is the same plan.
  CHECK(moved_since(read_plan_file(text, "today.plan"), saved.plan, toy_kinds()).empty());
  saved.plan.changes[0].before.attributes.set("color", std::string("green"));
  CHECK(moved_since(read_plan_file(text, "today.plan"), saved.plan, toy_kinds()).size() == 1);
}

TEST_CASE("what moved is named, what the host decides itself is not") {
  const SavedPlan saved = sample();
  const StepKinds kinds = toy_kinds();
  Plan now = saved.plan;
  now.changes[0].before.attributes.set("weight", std::int64_t{8});
  CHECK(moved_since(saved, now, kinds).empty());
  now.changes[0] = sample_change("green");
  CHECK(moved_since(saved, now, kinds) == std::vector<std::string>{"toy/a: `color` was blue and is green now"});
  now.changes[0].before = {};
  CHECK(moved_since(saved, now, kinds) == std::vector<std::string>{"toy/a: it does not exist any more"});
  now.changes[0] = saved.plan.changes[0];
  now.changes[0].action = Action::replace;
  CHECK(moved_since(saved, now, kinds) == std::vector<std::string>{"toy/a: was to be update, and would be replace now"});
  now.changes.clear();
  CHECK(moved_since(saved, now, kinds) == std::vector<std::string>{"toy/a: is not planned any more"});
}
