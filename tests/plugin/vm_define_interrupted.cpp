// What vm-define makes of VMs that an interrupted run left half changed.
#include "vm_define_rig.h"

using namespace vm_define_fake;

TEST_CASE("a guest that an interrupted run asked to shut down is off before it starts again, whenever it follows") {
  Rig rig;
  rig.create_all();
  rig.withdrawn_half = {"gpu-worker-1"};
  const Change change = rig.plan("gpu-worker-1");
  CHECK(change.action == Action::update);
  REQUIRE(change.attributes.size() == 1);
  CHECK(change.attributes[0].before == Value(std::string("going down")));
  CHECK(change.notes == std::vector<std::string>{"an interrupted run had begun to shut gpu-worker-1 down; it starts anew"});
  // What is observed is the same before it goes off and after.
  if (GENERATE(true, false)) rig.host.hypervisor().require_domain("gpu-worker-1").power = PowerState::off;
  CHECK(rig.observe("gpu-worker-1").attributes.text("power") == "going down");
  rig.host.calls.made.clear();
  rig.run(change);
  const auto& calls = rig.host.calls.made;
  CHECK(calls.back() == "start_domain gpu-worker-1");
  rig.withdrawn_half.clear();
  CHECK(rig.plan("gpu-worker-1").action == Action::none);
}

TEST_CASE("a guest that an interrupted run started and did not wait for is waited for by the next") {
  Rig rig;
  const Step cut = rig.begin(rig.plan("gpu-worker-1"));
  rig.host.fake_guests.silent.insert("gpu-worker-1");
  CHECK_THROWS_WITH(rig.apply(cut), contains("in vain"));
  REQUIRE(rig.host.hypervisor().require_domain("gpu-worker-1").power == PowerState::running);
  const Change change = rig.plan("gpu-worker-1");
  CHECK(change.action == Action::update);
  REQUIRE(change.attributes.size() == 1);
  CHECK(change.attributes[0].before == Value(std::string("starting")));
  CHECK(change.notes == std::vector<std::string>{"an interrupted run was not done with gpu-worker-1; this one waits until it answers"});
  CHECK_FALSE(change.has_withdraw);
  CHECK_THROWS_WITH(rig.run(change), contains("in vain"));
  rig.host.fake_guests.silent.clear();
  rig.host.calls.made.clear();
  rig.run(change);
  for (const std::string& call : rig.host.calls.made) CHECK(call.find("start_domain") == std::string::npos);
  CHECK(rig.plan("gpu-worker-1").action == Action::none);
}

TEST_CASE("a disk that a run replaced and did not come to delete goes with the next apply") {
  Rig rig;
  rig.create_all();
  const std::string disk = rig.domain("gpu-worker-1").disks.front().path;
  rig.host.hypervisor().create_volume("gpuplan", "gpu-worker-1_9.qcow2", 1LL << 30, "");
  CHECK(rig.plan("gpu-worker-1").action == Action::none);
  rig.commit_due = {"gpu-worker-1"};
  const Change change = rig.plan("gpu-worker-1");
  CHECK(change.action == Action::update);
  CHECK(change.has_commit);
  CHECK(change.irreversible == std::vector<std::string>{"gpu-worker-1_9.qcow2, which an interrupted run left behind, is deleted"});
  rig.run(change);
  CHECK_FALSE(rig.host.hypervisor().volume("gpuplan", "gpu-worker-1_9.qcow2"));
  CHECK(rig.domain("gpu-worker-1").disks.front().path == disk);
  CHECK(rig.plan("gpu-worker-1").action == Action::none);
}
