// Plans, checks and problems as JSON.
#include "plan/print_json.h"

#include "support/catch.h"

using namespace gpuplan;

namespace {

Plan small_plan() {
  Change change;
  change.address = Address("vfio-bind", "0000:0a:00.0");
  change.action = Action::create;
  change.reasons = {"it does not exist"};
  AttributeChange driver;
  driver.name = "driver";
  driver.before = std::string("nvidia");
  driver.after = std::string("vfio-pci");
  AttributeChange secret = driver;
  secret.name = "token";
  secret.sensitive = true;
  AttributeChange later = driver;
  later.name = "endpoint";
  later.known = false;
  change.attributes = {driver, secret, later};
  Plan plan;
  plan.cluster = "gpu";
  plan.host_identity = "id";
  plan.host_description = "sim";
  plan.changes = {change};
  plan.stages = {{0, Stage::apply, false, {}}};
  return plan;
}

}  // namespace

TEST_CASE("the members that programs rely on") {
  const Json json = plan_to_json(small_plan());
  CHECK(json.at("format_version") == 1);
  CHECK(json.at("cluster") == "gpu");
  CHECK(json.at("host") == Json({{"identity", "id"}, {"description", "sim"}}));
  const Json& change = json.at("changes").at(0);
  CHECK(change.at("address") == "vfio-bind/0000:0a:00.0");
  CHECK(change.at("action") == "create");
  CHECK(change.at("reversible") == true);
  CHECK(change.at("reasons") == Json::array({"it does not exist"}));
  CHECK(json.at("summary") ==
        Json({{"create", 1}, {"update", 0}, {"replace", 0}, {"remove", 0}, {"none", 0}, {"irreversible", 0}}));
  CHECK(json.at("stages").at(0).at("stage") == "apply");
}

TEST_CASE("secrets and values that are not known are null") {
  const Json attributes = plan_to_json(small_plan()).at("changes").at(0).at("attributes");
  CHECK(attributes.at(0).at("after") == "vfio-pci");
  CHECK(attributes.at(1).at("sensitive") == true);
  CHECK(attributes.at(1).at("before").is_null());
  CHECK(attributes.at(1).at("after").is_null());
  CHECK(attributes.at(2).at("known") == false);
  CHECK(attributes.at(2).at("before") == "nvidia");
  CHECK(attributes.at(2).at("after").is_null());
}

TEST_CASE("checks carry their place only if they have one") {
  CheckResult check;
  check.name = "exists";
  check.address = Address("vfio-bind", "0000:0a:00.0");
  check.status = CheckStatus::fail;
  CHECK(!checks_to_json({check}).at(0).contains("where"));
  check.where = SourceLocation{std::make_shared<SourceFile>(SourceFile{"a.yaml", ""}), 3, 5, 1};
  CHECK(checks_to_json({check}).at(0).at("where") == Json({{"file", "a.yaml"}, {"line", 3}, {"column", 5}}));
  CHECK(checks_to_json({check}).at(0).at("status") == "fail");
}

TEST_CASE("text that is not UTF-8 is replaced, not refused") {
  CHECK(to_line(Json("a\xff")) == "\"a\xEF\xBF\xBD\"");
  CHECK(to_document(Json::object()) == "{}\n");
}
