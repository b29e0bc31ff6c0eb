// A step kind that misbehaves as its section says: `x-misbehaving: {observe: throws, undo: hangs}`. Each key
// is a function of StepKind. Apart from that it keeps the file /etc/misbehaving.
#include <unistd.h>

#include <cstdlib>
#include <iostream>
#include <stdexcept>

#include "plugin/plugin.h"

namespace {
using namespace gpuplan;

constexpr const char* file_path = "/etc/misbehaving";
constexpr const char* entry_points[] = {"expand", "check", "observe", "compare", "plan_removal", "capture",
                                        "withdraw", "apply", "commit", "undo"};

// What `entry_point` is to do wrong; empty if nothing.
std::string defect_of(const Attributes& declared, const std::string& entry_point) {
  for (const std::string& defect : declared.list("defects")) {
    if (defect.rfind(entry_point + ": ", 0) == 0) return defect.substr(entry_point.size() + 2);
  }
  return {};
}

std::string misbehave(const Attributes& declared, const std::string& entry_point) {
  const std::string defect = defect_of(declared, entry_point);
  if (defect == "throws") throw std::runtime_error("out of cheese");
  if (defect == "throws-a-number") throw 42;
  if (defect == "crashes") std::abort();
  if (defect == "hangs") std::cerr << "hanging in " << entry_point << std::endl;
  while (defect == "hangs") pause();
  return defect;
}

class Misbehaving : public StepKind {
 public:
  std::string_view kind() const override { return "misbehaving"; }

  const Schema& schema() const override {
    static const Schema schema = [] {
      AttributeSchema serial{"serial", ValueType::integer};
      serial.computed = true;
      return Schema{{"defects", ValueType::list}, {"size", ValueType::integer}, serial};
    }();
    return schema;
  }

  std::vector<Resource> expand(const Spec& spec) const override {
    const auto section = spec.extensions.find("misbehaving");
    if (section == spec.extensions.end()) return {};
    std::vector<std::string> defects;
    for (const char* entry_point : entry_points) {
      const YamlNode* defect = section->second.find(entry_point);
      if (defect != nullptr) defects.push_back(std::string(entry_point) + ": " + defect->text());
    }
    Resource resource;
    resource.address = Address("misbehaving", "file");
    resource.declared = {{"defects", defects}, {"size", std::int64_t{7}}};
    resource.where = section->second.where();
    return declare(resource, misbehave(resource.declared, "expand"));
  }

  std::vector<CheckResult> check(const Resource& resource, const Spec&, const Prior&, HostReader&) const override {
    misbehave(resource.declared, "check");
    return {};
  }

  Observation observe(const Resource& resource, const Prior&, HostReader& host) const override {
    const std::string defect = misbehave(resource.declared, "observe");
    Observation observed;
    observed.exists = host.files().kind(file_path) == FileKind::file;
    if (observed.exists) {
      observed.attributes = attributes_from_json(parse_json(host.files().read(file_path), file_path));
    }
    if (defect == "unknown-attribute" || (observed.exists && defect == "unknown-attribute-once-made")) {
      observed.attributes.set("colour", std::string("red"));
    }
    if (defect == "wrong-type") observed.attributes.set("size", std::string("seven"));
    return observed;
  }

  Change compare(const Resource& resource, const Observation& observed, const Prior& prior) const override {
    const std::string defect = misbehave(resource.declared, "compare");
    Change change = StepKind::compare(resource, observed, prior);
    if (defect == "no-stage") change.has_apply = false;
    if (defect == "removes") change.action = Action::remove;
    return change;
  }

  void plan_removal(Change& change, const RemovalScope& scope) const override {
    misbehave(change.resource.declared, "plan_removal");
    StepKind::plan_removal(change, scope);
    change.has_commit = !defect_of(change.resource.declared, "commit").empty();
    if (change.has_commit) change.irreversible.push_back("it is forgotten");
  }

  Json capture(const Change& change, HostReader&) const override {
    misbehave(change.resource.declared, "capture");
    return Json::object();
  }

  void withdraw(const Change& change, const Json&, const Json&, Host& host, StepContext&) const override {
    misbehave(change.resource.declared, "withdraw");
    host.files().remove_file(file_path);
  }

  // Leaves its work done before it misbehaves, so that there is something to undo.
  void apply(const Change& change, const Json&, Host& host, StepContext&) const override {
    if (defect_of(change.resource.declared, "apply") == "does-nothing") return;
    host.files().put_file(file_path, to_json(change.resource.declared).dump(), 0644);
    misbehave(change.resource.declared, "apply");
  }

  void commit(const Change& change, const Json&, const Json&, Host&, StepContext&) const override {
    misbehave(change.resource.declared, "commit");
  }

  void undo(Stage, const Change& change, const Json&, Host& host, StepContext&) const override {
    misbehave(change.resource.declared, "undo");
    host.files().remove_file(file_path);
  }

 private:
  static std::vector<Resource> declare(Resource resource, const std::string& defect) {
    Resource other = resource;
    other.address = Address("misbehaving", "other");
    if (defect == "unknown-attribute") resource.declared.set("colour", std::string("red"));
    if (defect == "wrong-type") resource.declared.set("size", std::string("seven"));
    if (defect == "declares-computed") resource.declared.set("serial", std::int64_t{1});
    if (defect == "foreign-address") resource.address = Address("vfio-bind", "file");
    if (defect == "edge-to-nowhere") resource.depends_on.emplace_back("misbehaving", "nowhere");
    if (defect == "homeless") resource.lives_in = {other.address};
    if (defect == "twice") return {resource, resource};
    if (defect == "cycle") {
      resource.depends_on = {other.address};
      other.depends_on = {resource.address};
    }
    if (defect == "cycle" || defect == "homeless") return {resource, other};
    return {resource};
  }
};

}  // namespace

GPUPLAN_PLUGIN(Misbehaving, "misbehaving", "does what its section says, wrongly");
