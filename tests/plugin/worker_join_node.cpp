// What worker-join makes of a worker's Node: labels, taints, and the machine that it may be.
#include <algorithm>

#include "support/catch.h"
#include "worker_join_rig.h"

using namespace gpuplan;
using namespace gpuplan::test;

namespace {

// Worker 1 is a member with labels and taints.
void declare_and_join(ClusterRig& rig) {
  WorkerSpec& declared = rig.spec.workers[0];
  declared.labels = {{"tier", "training"}, {"example.com/rack", ""}};
  declared.taints = {{"nvidia.com/gpu", "", "NoSchedule"}, {"dedicated", "ml", "PreferNoSchedule"}};
  rig.apply(init);
  rig.apply(join_1);
}

// What the API server says, and not what the disk has.
std::string allocatable(ClusterRig& rig) {
  GuestTarget control_plane;
  control_plane.node = "gpu-control-plane";
  control_plane.address = "192.168.130.10";
  const CommandResult result = rig.host.guests().query(
      control_plane, {{"kubectl", "--kubeconfig", "/etc/kubernetes/admin.conf", "get", "node", "gpu-worker-1", "-o", "json"}, {}});
  REQUIRE(result.ok());
  return string_at(Json::parse(result.output), "/status/allocatable/nvidia.com~1gpu", "0");
}

Json& node_1(ClusterRig& rig) { return rig.host.cluster()["nodes"]["gpu-worker-1"]; }

}  // namespace

TEST_CASE("worker-join: labels and taints of the spec are there from the join on") {
  ClusterRig rig;
  declare_and_join(rig);
  CHECK(rig.observe(join_1).attributes.list("labels") == std::vector<std::string>{"example.com/rack=", "tier=training"});
  CHECK(rig.observe(join_1).attributes.list("taints") ==
        std::vector<std::string>{"dedicated=ml:PreferNoSchedule", "nvidia.com/gpu:NoSchedule"});
  CHECK_FALSE(rig.host.changed(" taint "));  // kubeadm registers the node with them
  CHECK(rig.host.count(" label node gpu-worker-1 example.com/rack= tier=training --overwrite") == 1);
  // A spec without them declares and observes nothing of the kind.
  CHECK(rig.resource(join_2).declared.find("labels") == nullptr);
  CHECK(rig.resource(join_2).declared.find("taints") == nullptr);
  rig.apply(join_2);
  CHECK(rig.observe(join_2).attributes.find("labels") == nullptr);
}

TEST_CASE("worker-join: labels and taints are changed in place, key by key, and undone") {
  ClusterRig rig;
  declare_and_join(rig);
  node_1(rig)["labels"]["somebody"] = "else";
  node_1(rig)["taints"].push_back({{"key", "maintenance"}, {"effect", "NoSchedule"}});
  CHECK(rig.plan(join_1).action == Action::none);
  Json before = state(rig);
  rig.spec.workers[0].labels = {{"tier", "inference"}};
  rig.spec.workers[0].taints = {{"nvidia.com/gpu", "present", "NoSchedule"}, {"new", "", "NoExecute"}};
  const Change change = rig.plan(join_1);
  CHECK(change.action == Action::update);
  CHECK(change.reasons ==
        std::vector<std::string>{
            "`labels` is [example.com/rack=, tier=training], the spec says [tier=inference]",
            "`taints` is [dedicated=ml:PreferNoSchedule, nvidia.com/gpu:NoSchedule], the spec says [new:NoExecute, "
            "nvidia.com/gpu=present:NoSchedule]"});
  CHECK(change.notes == std::vector<std::string>{"a taint with the effect NoExecute evicts pods that do not tolerate it"});
  rig.apply(join_1);
  CHECK(rig.host.count("kubeadm join") == 1);
  CHECK(rig.host.count(" label node gpu-worker-1 tier=inference example.com/rack- --overwrite") == 1);
  CHECK(rig.host.count(" taint node gpu-worker-1 new:NoExecute nvidia.com/gpu=present:NoSchedule "
                       "dedicated:PreferNoSchedule- --overwrite") == 1);
  CHECK(node_1(rig)["labels"]["somebody"] == "else");
  CHECK(node_1(rig)["taints"].dump().find("maintenance") != std::string::npos);
  for (int again = 0; again < 2; ++again) {
    rig.undo(join_1);
    Json after = state(rig);
    const auto taints = [](Json& of) -> Json& { return of["cluster"]["nodes"]["gpu-worker-1"]["taints"]; };
    std::sort(taints(after).begin(), taints(after).end());  // their order says nothing
    std::sort(taints(before).begin(), taints(before).end());
    CHECK(after == before);
  }
}

TEST_CASE("worker-join: labels and taints that the spec loses are taken away, once, and nothing else") {
  ClusterRig rig;
  declare_and_join(rig);
  node_1(rig)["labels"]["somebody"] = "else";
  rig.spec.workers[0].labels.clear();
  rig.spec.workers[0].taints.clear();
  CHECK(rig.apply(join_1).action == Action::update);
  CHECK(node_1(rig)["labels"] == Json({{"gpuplan.io/cluster", "gpu"}, {"somebody", "else"}}));
  CHECK_FALSE(node_1(rig).contains("taints"));
  CHECK(rig.apply(join_1).action == Action::none);
}

TEST_CASE("worker-join: drift of labels and taints is seen and put right") {
  ClusterRig rig;
  declare_and_join(rig);
  node_1(rig)["labels"]["tier"] = "none";
  node_1(rig).erase("taints");
  const Change change = rig.apply(join_1);
  CHECK(change.attributes.size() == 2);
  CHECK(node_1(rig)["labels"]["tier"] == "training");
  CHECK(node_1(rig)["taints"].size() == 2);
}

TEST_CASE("worker-join: a machine that exists already is a worker without a VM, and stays when the cluster goes") {
  ClusterRig rig;
  WorkerSpec& machine = rig.spec.workers[0];
  machine.machine = MachineSpec{"ubuntu", "10.0.0.6", 2222, "/root/.ssh/id", "ssh-ed25519 AAAA"};
  machine.address = "10.0.0.6";
  machine.gpu_indexes.clear();
  rig.host.machines.at("gpu-worker-1").address = "10.0.0.6";
  rig.apply(init);
  const Resource resource = rig.resource(join_1);
  CHECK(resource.lives_in == std::vector<Address>{*Address::parse(init)});
  CHECK(rig.resource(prepare_1).depends_on.empty());
  CHECK(resource.declared.text("login") == "ubuntu@10.0.0.6:2222 ssh-ed25519 AAAA /root/.ssh/id");
  CHECK(text_of(rig.check(prepare_1)) == "pass node-login: 10.0.0.6 lets ubuntu in\n");
  rig.apply(join_1);
  CHECK(rig.host.changed("gpu-worker-1: bash -s -- containerd"));
  // Its address is outside network.cidr: every node's firewall, where there is one, has to know it.
  CHECK(rig.host.asked("--networks 192.168.130.0/24,10.244.0.0/16,10.0.0.6/32"));
  SECTION("the cluster goes") {
    rig.withdraw(rig.removal(join_1, {init}));
    CHECK(rig.host.changed("gpu-worker-1: kubeadm reset --force"));
    CHECK_FALSE(worker(rig).disk.state.contains("membership"));
  }
  SECTION("it is off") {
    worker(rig).silent = true;
    CHECK(text_of(rig.check(prepare_1)) ==
          "warn node-login: gpu-worker-1 does not answer a login at 10.0.0.6 port 2222\n");
  }
  SECTION("it moves") {
    machine.machine->host = machine.address = "10.0.0.7";
    CHECK(text_of(rig.check(prepare_1)) ==
          "fail node-machine: gpu-worker-1 is the machine 10.0.0.6, the spec says the machine 10.0.0.7: one cannot become the "
          "other\n");
    machine.machine.reset();
    CHECK_THAT(text_of(rig.check(prepare_1)), contains("the spec says a VM: one cannot become the other"));
  }
  SECTION("another key is used for the login") {
    machine.machine->identity = "/root/.ssh/other";
    const Change change = rig.apply(join_1);
    CHECK(change.action == Action::update);
    CHECK(change.attributes.size() == 1);
    CHECK(rig.host.count("kubeadm join") == 1);
  }
}

TEST_CASE("worker-join: a taint that keeps the GPU Operator away is refused, unless the chart's values tolerate it") {
  ClusterRig rig;
  WorkerSpec& declared = rig.spec.workers[0];
  declared.taints = {{"nvidia.com/gpu", "", "NoSchedule"}, {"a", "", "PreferNoSchedule"}};
  CHECK(rig.check(join_1).empty());
  declared.taints = {{"dedicated", "ml", "NoSchedule"}};
  CHECK(text_of(rig.check(join_1)) ==
        "fail node-taints: gpu-worker-1 has GPUs and the taint dedicated=ml:NoSchedule, which the GPU Operator's pods do not "
        "tolerate: its GPUs would never be offered\n");
  SECTION("tolerated") {
    rig.spec.gpu_operator.values_json = R"({"daemonsets":{"tolerations":[{"operator":"Exists"}]}})";
    CHECK(rig.check(join_1).empty());
    rig.apply_all();  // the simulated operator sees it so, too
    CHECK(allocatable(rig) == "4");
  }
  SECTION("not tolerated") {
    rig.spec.timeouts.operator_ready = 120;
    rig.apply(init);
    rig.apply(join_1);
    rig.apply(join_2);
    CHECK_THAT(rig.failing_apply("gpu-operator/gpu-operator"), contains("gpu-worker-1"));
    CHECK(allocatable(rig) == "0");
  }
  SECTION("no operator") {
    rig.spec.gpu_operator.enabled = false;
    CHECK(rig.check(join_1).empty());
  }
}
