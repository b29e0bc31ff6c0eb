// Plans and checks as text.
#include "plan/print_text.h"

#include <fmt/format.h>

#include "support/catch.h"

using namespace gpuplan;

namespace {

// A step kind of which only the schema matters.
class SchemaOnly : public StepKind {
 public:
  std::string_view kind() const override { return "vm-define"; }
  const Schema& schema() const override {
    static const Schema schema = {{"memory", ValueType::integer, "MiB", OnChange::update, false, false, false},
                                  {"image", ValueType::text, "", OnChange::replace, false, false, false}};
    return schema;
  }
  std::vector<Resource> expand(const Spec&) const override { return {}; }
  std::vector<CheckResult> check(const Resource&, const Spec&, const Prior&, HostReader&) const override { return {}; }
  Observation observe(const Resource&, const Prior&, HostReader&) const override { return {}; }
  Json capture(const Change&, HostReader&) const override { return {}; }
  void apply(const Change&, const Json&, Host&, StepContext&) const override {}
  void undo(Stage, const Change&, const Json&, Host&, StepContext&) const override {}
};

StepKinds kinds_with_units() {
  StepKinds kinds;
  kinds.add(std::make_shared<SchemaOnly>());
  return kinds;
}

AttributeChange attribute(std::string name, Value before, Value after) {
  AttributeChange change;
  change.name = std::move(name);
  change.before = std::move(before);
  change.after = std::move(after);
  return change;
}

Change change_of(const char* kind, const char* name, Action action) {
  Change change;
  change.address = Address(kind, name);
  change.action = action;
  return change;
}

Plan plan_of(std::vector<Change> changes) {
  Plan plan;
  plan.cluster = "gpu";
  plan.spec_name = "h100.yaml";
  plan.host_description = "sim:h100.yaml";
  plan.changes = std::move(changes);
  return plan;
}

Change driver_change() {
  Change change = change_of("vfio-bind", "0000:0a:00.0", Action::create);
  change.attributes = {attribute("driver", std::string("nvidia"), std::string("vfio-pci"))};
  change.reasons = {"no resource of this name exists"};
  change.before.read_from = {{"driver", "/sys/bus/pci/devices/0000:0a:00.0/driver"}};
  return change;
}

CheckResult check(const char* name, CheckStatus status, const char* found) {
  CheckResult result;
  result.name = name;
  result.address = Address("vfio-bind", "0000:0a:00.0");
  result.status = status;
  result.found = found;
  return result;
}

}  // namespace

TEST_CASE("a plan is printed attribute by attribute, the summary last") {
  CHECK(print_plan(plan_of({driver_change()}), StepKinds(), {}) ==
        "Cluster gpu on sim:h100.yaml, declared in h100.yaml\n"
        "+ create\n"
        "\n"
        "  + vfio-bind/0000:0a:00.0\n"
        "      driver: nvidia → vfio-pci\n"
        "\n"
        "Plan: 1 to create, 0 to update, 0 to replace, 0 to remove; 0 unchanged.\n");
}

TEST_CASE("--explain adds reasons and where values were read") {
  PrintStyle style;
  style.explain = true;
  const std::string text = print_plan(plan_of({driver_change()}), StepKinds(), style);
  CHECK_THAT(text, contains("      because no resource of this name exists\n"));
  CHECK_THAT(text, contains("driver: nvidia → vfio-pci  (read from /sys/bus/pci/devices/0000:0a:00.0/driver)\n"));
}

TEST_CASE("units stand once, behind the last value that has one") {
  const StepKinds kinds = kinds_with_units();
  Change change = change_of("vm-define", "gpu-worker-1", Action::update);
  change.attributes = {attribute("memory", std::int64_t{8192}, std::int64_t{16384})};
  CHECK_THAT(print_change(change, kinds, {}), contains("      memory: 8192 → 16384 MiB\n"));
  change.attributes = {attribute("memory", Value{}, std::int64_t{16384})};
  CHECK_THAT(print_change(change, kinds, {}), contains("      memory: 16384 MiB\n"));
  change.attributes = {attribute("memory", std::int64_t{8192}, Value{})};
  CHECK_THAT(print_change(change, kinds, {}), contains("      memory: 8192 MiB → (none)\n"));
}

TEST_CASE("of a long list the entries that go and come are shown") {
  using List = std::vector<std::string>;
  const std::string stays(60, 's');
  const auto printed = [&](List before, List after) {
    Change change = change_of("vm-define", "gpu-worker-1", Action::update);
    change.attributes = {attribute("mirrors", std::move(before), std::move(after))};
    return print_change(change, kinds_with_units(), {});
  };
  CHECK_THAT(printed({stays, "old"}, {stays, "new\x1b"}),
             contains("      mirrors: 1 entry stays\n        - old\n        + new\\x1b\n"));
  CHECK_THAT(printed({"a", "b"}, {"a", "c"}), contains("      mirrors: [a, b] → [a, c]\n"));
  CHECK_THAT(printed({stays, "b"}, {"b", stays}), contains(fmt::format("[{0}, b] → [b, {0}]", stays)));
  CHECK_THAT(printed({stays}, {std::string(60, 't')}), contains("] → ["));
}

TEST_CASE("values that are not known yet and secrets are not shown") {
  Change change = change_of("k8s-init", "gpu-control-plane", Action::create);
  AttributeChange endpoint = attribute("endpoint", Value{}, Value{});
  endpoint.known = false;
  AttributeChange token = attribute("token", std::string("old-secret"), std::string("new-secret"));
  token.sensitive = true;
  change.attributes = {endpoint, token};
  const std::string text = print_change(change, StepKinds(), {});
  CHECK_THAT(text, contains("      endpoint: (known after apply)\n"));
  CHECK_THAT(text, contains("      token: (sensitive)\n"));
  CHECK_THAT(text, !contains("secret"));
}

TEST_CASE("what cannot be undone, what forces a replacement, and notes stand with their change") {
  Change change = change_of("vm-define", "gpu-worker-1", Action::replace);
  AttributeChange image = attribute("image", std::string("a"), std::string("b"));
  image.forces_replace = true;
  change.attributes = {image};
  change.irreversible = {"the disk of gpu-worker-1 is deleted"};
  change.notes = {"the guest restarts"};
  change.before.unreadable = {"memory: the domain does not answer"};
  CHECK(print_change(change, StepKinds(), {}) ==
        "-/+ vm-define/gpu-worker-1  (cannot be undone)\n"
        "      image: a → b  (forces replacement)\n"
        "      cannot be undone: the disk of gpu-worker-1 is deleted\n"
        "      note: the guest restarts\n"
        "      could not be read: memory: the domain does not answer\n");
}

TEST_CASE("what stays as it is appears with --explain only") {
  Change same = change_of("iommu-check", "host", Action::none);
  same.reasons = {"everything is as declared"};
  const Plan plan = plan_of({same});
  CHECK(print_plan(plan, StepKinds(), {}) ==
        "Cluster gpu on sim:h100.yaml, declared in h100.yaml\n"
        "Plan: 0 to create, 0 to update, 0 to replace, 0 to remove; 1 unchanged.\n");
  PrintStyle style;
  style.explain = true;
  CHECK_THAT(print_plan(plan, StepKinds(), style), contains("    iommu-check/host\n      because everything is as declared\n"));
}

TEST_CASE("colours are used only when asked for") {
  CHECK_THAT(print_plan(plan_of({driver_change()}), StepKinds(), {}), !contains("\033["));
  PrintStyle style;
  style.color = true;
  CHECK_THAT(print_plan(plan_of({driver_change()}), StepKinds(), style), contains("\033[32m  +\033[0m"));
}

TEST_CASE("text from the host cannot write to the terminal") {
  Change change = driver_change();
  change.notes = {"\033[2Jgone"};
  CHECK_THAT(print_change(change, StepKinds(), {}), contains("note: \\x1b[2Jgone"));
}

TEST_CASE("checks are grouped by resource and end with their counts") {
  CheckResult held = check("in-use", CheckStatus::fail, "held by python3 (pid 4242)");
  held.read_from = "/proc/4242/fd";
  held.remedy = "stop python3";
  const std::vector<CheckResult> checks = {check("exists", CheckStatus::pass, "NVIDIA H100"), held};
  CHECK(print_checks(checks, true, {}) ==
        "vfio-bind/0000:0a:00.0\n"
        "  pass  exists  NVIDIA H100\n"
        "  fail  in-use  held by python3 (pid 4242)  (read from /proc/4242/fd)\n"
        "        next: stop python3\n"
        "\n"
        "1 check passed, 0 warnings, 1 failed.\n");
  CHECK_THAT(print_checks(checks, false, {}), !contains("exists"));
}

TEST_CASE("a check that needs a reboot says so") {
  CheckResult iommu = check("iommu", CheckStatus::fail, "the IOMMU is off");
  iommu.needs_reboot = true;
  CHECK_THAT(print_checks({iommu}, false, {}), contains("        only a reboot of the host helps\n"));
}
