// What follows from a declaration and an observation, by the schema alone.
#include "plugin/change_json.h"
#include "plugin/step_kind.h"
#include "support/catch.h"
#include "unit/plugin/values.h"

using namespace gpuplan;

namespace {

const Schema schema{
    {.name = "driver"},
    {.name = "memory", .type = ValueType::integer, .unit = "MiB"},
    {.name = "image", .on_change = OnChange::replace},
    {.name = "token", .sensitive = true},
    {.name = "gpus", .type = ValueType::list},
    {.name = "uuid", .computed = true},
};

Resource declared(Attributes attributes) {
  Resource resource;
  resource.address = Address("vm-define", "gpu-worker-1");
  resource.declared = std::move(attributes);
  return resource;
}

Observation observed(Attributes attributes) {
  Observation observation;
  observation.exists = true;
  observation.attributes = std::move(attributes);
  return observation;
}

Change compare(Attributes wanted, Attributes is) {
  return compare_by_schema(schema, declared(std::move(wanted)), observed(std::move(is)));
}

}  // namespace

TEST_CASE("compare: what does not exist is created, with everything declared") {
  const Change change =
      compare_by_schema(schema, declared({{"driver", text("vfio-pci")}, {"token", text("x")}}), Observation{});
  CHECK(change.address.to_string() == "vm-define/gpu-worker-1");
  CHECK(change.action == Action::create);
  CHECK(change.reasons == std::vector<std::string>{"does not exist"});
  CHECK(change.has_apply);
  CHECK_FALSE(change.has_withdraw);
  CHECK_FALSE(change.has_commit);
  CHECK(change.reversible());
  REQUIRE(change.attributes.size() == 3);
  CHECK(change.attributes[0] == AttributeChange{"driver", {}, text("vfio-pci"), true, false, false});
  CHECK(change.attributes[1] == AttributeChange{"token", {}, text("x"), true, true, false});
  CHECK(change.attributes[2] == AttributeChange{"uuid", {}, {}, false, false, false});
  CHECK(change.sensitive == std::vector<std::string>{"token"});
}

TEST_CASE("compare: equal is none, whatever was computed or is not declared") {
  const Change change = compare(
      {{"driver", text("vfio-pci")}, {"gpus", list({"a", "b"})}},
      {{"driver", text("vfio-pci")}, {"gpus", list({"a", "b"})}, {"uuid", text("1")}, {"memory", std::int64_t{7}}});
  CHECK(change.action == Action::none);
  CHECK(change.attributes.empty());
  CHECK(change.reasons.empty());
  CHECK_FALSE(change.has_apply);
}

TEST_CASE("compare: a difference is an update, with its reason") {
  const Change change = compare({{"driver", text("vfio-pci")}, {"memory", std::int64_t{8192}}},
                                {{"driver", text("nvidia")}, {"memory", std::int64_t{4096}}});
  CHECK(change.action == Action::update);
  CHECK(change.reasons == std::vector<std::string>{"`driver` is nvidia, the spec says vfio-pci",
                                                   "`memory` is 4096 MiB, the spec says 8192 MiB"});
  CHECK(change.has_apply);
  CHECK_FALSE(change.has_withdraw);
  REQUIRE(change.attributes.size() == 2);
  CHECK(change.attributes[0] == AttributeChange{"driver", text("nvidia"), text("vfio-pci"), true, false, false});
}

TEST_CASE("compare: lists count as they are written") {
  CHECK(compare({{"gpus", list({"a", "b"})}}, {{"gpus", list({"b", "a"})}}).reasons.at(0) ==
        "`gpus` is [b, a], the spec says [a, b]");
}

TEST_CASE("compare: one attribute that forces it makes the whole a replacement") {
  const Change change = compare({{"image", text("new")}, {"driver", text("vfio-pci")}},
                                {{"image", text("old")}, {"driver", text("nvidia")}, {"uuid", text("1")}});
  CHECK(change.action == Action::replace);
  CHECK(change.has_withdraw);
  CHECK(change.has_apply);
  CHECK(change.reasons.at(1) == "`image` is old, the spec says new; it cannot be changed in place");
  REQUIRE(change.attributes.size() == 3);
  CHECK_FALSE(change.attributes[0].forces_replace);
  CHECK(change.attributes[1].forces_replace);
  CHECK(change.attributes[2] == AttributeChange{"uuid", text("1"), {}, false, false, false});
}

TEST_CASE("compare: absent and unreadable are told apart") {
  CHECK(compare({{"driver", text("vfio-pci")}}, {}).reasons.at(0) == "`driver` is not set, the spec says vfio-pci");
  Observation observation = observed({});
  observation.unreadable = {"driver: cannot read /sys/…/driver: permission denied"};
  CHECK(compare_by_schema(schema, declared({{"driver", text("vfio-pci")}}), observation).reasons.at(0) ==
        "`driver` could not be read, the spec says vfio-pci");
}

TEST_CASE("compare: secrets are compared by fingerprint and never named") {
  CHECK(compare({{"token", text("a")}}, {{"token", stored_secret(text("a"))}}).action == Action::none);
  const Change change = compare({{"token", text("a")}}, {{"token", text("b")}});
  CHECK(change.reasons == std::vector<std::string>{"`token` is not what the spec says"});
  CHECK(change.attributes.at(0).sensitive);
}
