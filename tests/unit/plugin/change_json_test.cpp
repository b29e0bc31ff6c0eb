#include "plugin/change_json.h"

#include "support/catch.h"
#include "unit/plugin/values.h"

using namespace gpuplan;

namespace {

Change sample() {
  Change change;
  change.address = Address("vm-define", "gpu-worker-1");
  change.action = Action::replace;
  change.resource.address = change.address;
  change.resource.declared = {{"memory", std::int64_t{8192}}, {"token", text("hunter2")}};
  change.resource.depends_on = {Address("vfio-bind", "0000:0a:00.0"), Address("iommu-check", "host")};
  change.resource.lives_in = {Address("iommu-check", "host")};
  change.resource.where = SourceLocation{nullptr, 3, 4, 5};
  change.before.exists = true;
  change.before.attributes = {{"memory", std::int64_t{4096}}, {"token", text("old")}};
  change.before.read_from = {{"memory", "libvirt"}};
  change.before.unreadable = {"mac: not there"};
  change.reasons = {"because"};
  change.attributes = {{"memory", std::int64_t{4096}, std::int64_t{8192}, true, false, true},
                       {"token", text("old"), text("hunter2"), true, true, false},
                       {"uuid", {}, {}, false, false, false}};
  change.notes = {"the guest restarts"};
  change.has_withdraw = change.has_apply = change.has_commit = change.withdraw_is_irreversible = true;
  change.irreversible = {"its disk is deleted"};
  return change;
}

std::string change_error(const Json& json) {
  try {
    change_from_json(json);
  } catch (const JsonError& error) {
    return error.what();
  }
  return "nothing was thrown";
}

}  // namespace

TEST_CASE("change JSON: there and back, but for secrets and places") {
  const Change change = sample();
  const Change back = change_from_json(parse_json(to_json(change).dump(), "test"));
  CHECK(back.address == change.address);
  CHECK(back.action == Action::replace);
  CHECK(back.resource.address == change.address);
  CHECK(back.resource.declared.number("memory") == 8192);
  CHECK(back.resource.depends_on == change.resource.depends_on);
  CHECK(back.resource.lives_in == change.resource.lives_in);
  CHECK_FALSE(back.resource.where);
  CHECK(back.before.exists);
  CHECK(back.before.attributes.number("memory") == 4096);
  CHECK(back.before.read_from == change.before.read_from);
  CHECK(back.before.unreadable == change.before.unreadable);
  CHECK(back.reasons == change.reasons);
  REQUIRE(back.attributes.size() == 3);
  CHECK(back.attributes[0] == change.attributes[0]);
  CHECK(back.attributes[2] == change.attributes[2]);
  CHECK(back.notes == change.notes);
  CHECK(back.has_withdraw);
  CHECK(back.has_apply);
  CHECK(back.has_commit);
  CHECK(back.withdraw_is_irreversible);
  CHECK(back.irreversible == change.irreversible);
  // What was stored once stays the same when it is stored again.
  CHECK(to_json(back) == to_json(change));
}

TEST_CASE("change JSON: no secret in the clear, wherever it stands") {
  const std::string stored = to_json(sample()).dump();
  CHECK(stored.find("hunter2") == std::string::npos);
  CHECK(stored.find("\"old\"") == std::string::npos);
  const Change back = change_from_json(to_json(sample()));
  const std::string fingerprint = "sha256:";
  CHECK(back.resource.declared.text("token").substr(0, 7) == fingerprint);
  CHECK(back.before.attributes.text("token").substr(0, 7) == fingerprint);
  CHECK(to_text(back.attributes[1].after) == back.resource.declared.text("token"));
  CHECK(stored_resource(sample()).declared == back.resource.declared);
}

TEST_CASE("change JSON: a secret that no attribute change names is known by Change::sensitive") {
  Change change = sample();
  change.attributes.clear();
  change.sensitive = {"token"};
  CHECK(to_json(change).dump().find("hunter2") == std::string::npos);
}

TEST_CASE("change JSON: stored secrets") {
  CHECK(stored_secret(Value()) == Value());
  const Value once = stored_secret(text("hunter2"));
  CHECK(once == text("sha256:4ddbb67bf993867e13253c146a339ed3b33ea5b895543569278e99d5b3c2b7d5"));
  CHECK(stored_secret(once) == once);
  CHECK(stored_secret(text("sha256:short")) != text("sha256:short"));
}

TEST_CASE("change JSON: other shapes are refused by name") {
  CHECK(change_error(Json::array()) == "a stored change is an object, not array");
  CHECK(change_error(Json::object()) == "a stored change has no member `address`");
  Json json = to_json(sample());
  SECTION("an action that is none") {
    json["action"] = "destroy";
    CHECK(change_error(json) == "a stored change: member `action` must be none, create, update, replace or remove");
  }
  SECTION("a flag that is a text") {
    json["has_apply"] = "yes";
    CHECK(change_error(json) == "a stored change: member `has_apply` must be true or false");
  }
  SECTION("a malformed address inside") {
    json["resource"]["depends_on"] = {"nonsense"};
    CHECK(change_error(json) == "a stored resource: member `depends_on` must be an address");
  }
  SECTION("an observation without a member") {
    json["before"].erase("exists");
    CHECK(change_error(json) == "a stored observation has no member `exists`");
  }
}
