// The step kind worker-join against simulated guests.
#include <algorithm>

#include "host/sim/guest_yaml.h"
#include "support/catch.h"
#include "worker_join_rig.h"

using namespace gpuplan;
using namespace gpuplan::test;

namespace {

const std::string config = "/root/gpuplan-kubeadm-join.yaml";

void fail_at(ClusterRig& rig, const std::string& part) {
  rig.host.before_change = [part](const std::string& text) {
    if (text.find(part) != std::string::npos)
      throw HostError(HostError::Kind::failed, text, "injected failure of " + part);
  };
}

}  // namespace

TEST_CASE("worker-join: the token is in no log") {
  ClusterRig rig;
  rig.apply(init);
  rig.apply("node-prepare/gpu-worker-1");
  const Change change = rig.plan(join_1);
  FakeContext context(rig.spec, rig.host);
  rig.kind("worker-join").apply(change, rig.kind("worker-join").capture(change, rig.host), rig.host, context);
  std::string logs;
  for (const std::string& entry : context.output_lines) logs += entry;
  CHECK_THAT(logs, contains("`kubeadm token create --ttl 15m --print-join-command`: exit status 0\n(what it printed is a secret)"));
  CHECK_THAT(logs, contains("This node has joined the cluster"));
  CHECK_THAT(logs, !contains("--discovery-token-ca-cert-hash"));
}

TEST_CASE("worker-join: declares what its removal will need, and no number of GPUs") {
  ClusterRig rig;
  const Resource resource = rig.resource(join_1);
  CHECK(resource.lives_in == std::vector<Address>{*Address::parse(init), Address("vm-define", "gpu-worker-1")});
  CHECK(resource.depends_on == std::vector<Address>{*Address::parse(init), Address("vm-define", "gpu-worker-1"),
                                                    Address("node-prepare", "gpu-worker-1")});
  CHECK(resource.declared.text("control_plane") == "gpu-control-plane");
  CHECK(resource.declared.text("control_plane_address") == "192.168.130.10");
  CHECK(resource.declared.text("address") == "192.168.130.21");
  const Attributes before = resource.declared;
  give_gpus(rig, 3, 5);
  CHECK(rig.resource(join_1).declared == before);
}

TEST_CASE("worker-join: brings a worker in, labelled and Ready, and a second apply has nothing to do") {
  ClusterRig rig;
  rig.apply(init);
  CHECK(rig.plan(join_1).action == Action::create);
  rig.apply(join_1);
  const Observation observed = rig.observe(join_1);
  CHECK(observed.attributes.flag("ready"));
  CHECK(observed.attributes.text("cluster") == "gpu");
  CHECK(observed.attributes.text("address") == "192.168.130.21");
  CHECK(observed.attributes.text("kubelet") == "v1.34.2");
  CHECK_FALSE(rig.host.changed("label node"));  // the kubelet registers with it
  const std::size_t calls = rig.host.changes.size();
  CHECK(rig.apply(join_1).action == Action::none);
  CHECK(rig.host.changes.size() == calls);
}

TEST_CASE(
    "defect 7: the join token is a constant in the repository, with no expiry … each join has its own, of minutes") {
  ClusterRig rig;
  rig.apply(init);
  std::vector<std::string> tokens;
  rig.host.before_change = [&](const std::string& text) {
    if (text.find("kubeadm join") == std::string::npos) return;
    const std::string node = text.substr(0, text.find(':'));
    std::string error;
    const auto documents = sim::read_yaml_documents(rig.host.machines.at(node).disk.files.at(config).content, error);
    tokens.push_back(string_at(documents.at(0), "/discovery/bootstrapToken/token"));
    CHECK(int_at(rig.host.cluster(), "/tokens/" + tokens.back() + "/expires") == rig.host.time + 15 * 60);
  };
  rig.apply(join_1);
  rig.apply(join_2);
  REQUIRE(tokens.size() == 2);
  CHECK(tokens[0] != tokens[1]);
  for (const std::string& token : tokens) {
    CHECK_FALSE(rig.host.cluster().at("tokens").contains(token));                         // used once
    CHECK_FALSE(rig.host.changed(token));                                                 // never in an argv
    CHECK_FALSE(disk_without_packages(worker(rig).disk).dump().find(token) != std::string::npos);  // nor left on a disk
  }
}

TEST_CASE("defect 8: --discovery-token-unsafe-skip-ca-verification … the CA is pinned and a wrong one refused") {
  ClusterRig rig;
  rig.apply(init);
  std::string given;
  rig.host.before_change = [&](const std::string& text) {
    if (text.find("kubeadm join") == std::string::npos) return;
    given = worker(rig).disk.files.at(config).content;
    rig.host.cluster()["ca_hash"] = "sha256:another";  // somebody else answers at that address
  };
  CHECK_THAT(rig.failing_apply(join_1), contains("error execution phase preflight: couldn't validate the identity of "
                                                 "the API Server: cluster CA found in cluster-info ConfigMap is invalid: "
                                                 "none of the public keys \"sha256:another\" are pinned (on gpu-worker-1: "
                                                 "`kubeadm join --config /root/gpuplan-kubeadm-join.yaml`, exit status 1); "
                                                 "`gpuplan logs gpu-worker-1 --cluster gpu` prints all of its output, which is "
                                                 "in logs/gpu-worker-1.log"));
  CHECK_THAT(given, contains("caCertHashes"));
  CHECK(given.find("unsafeSkipCAVerification") == std::string::npos);
  CHECK_FALSE(rig.host.changed("unsafe"));
}

TEST_CASE("worker-join: a token that expired before it was used is replaced by the next run") {
  ClusterRig rig;
  rig.apply(init);
  rig.host.before_change = [&](const std::string& text) {
    if (text.find("kubeadm join") != std::string::npos) rig.host.time += 16 * 60;
  };
  CHECK_THAT(rig.failing_apply(join_1),
             contains("could not find a JWS signature in the cluster-info ConfigMap for token ID"));
  CHECK(worker(rig).disk.files.count(config) == 0);
  rig.host.before_change = {};
  rig.apply(join_1);
}

TEST_CASE("defect 9: secrets in files that all may read … the join's file is 0600 and goes, whatever comes") {
  ClusterRig rig;
  rig.apply(init);
  unsigned mode = 0;
  rig.host.before_change = [&](const std::string& text) {
    if (text.find("kubeadm join") == std::string::npos) return;
    mode = worker(rig).disk.files.at(config).mode;
    throw HostError(HostError::Kind::failed, text, "injected");
  };
  CHECK(rig.failing_apply(join_1) == "injected");
  CHECK(mode == 0600);
  CHECK(worker(rig).disk.files.count(config) == 0);
}

TEST_CASE("defect 12: fixed sleeps … a join ends as soon as its node is Ready") {
  ClusterRig rig;
  rig.apply(init);
  const std::int64_t began = rig.host.time;
  rig.apply(join_1);
  CHECK(rig.host.time - began >= 15);
  CHECK(rig.host.time - began <= 20);
}

TEST_CASE("defect 15: a timeout is a warning and the run goes on … a join fails and says what it waited for") {
  ClusterRig rig;
  rig.apply(init);
  SECTION("the node") {
    rig.host.before_change = [&](const std::string& text) {
      if (text.find("kubeadm token delete") != std::string::npos) rig.host.cluster()["cni"] = "";
    };
    CHECK_THAT(rig.failing_apply(join_1), contains("waited 10m for node gpu-worker-1 to become Ready, in vain; "
                                                   "last seen: gpu-worker-1 is not Ready: container runtime "
                                                   "network not ready"));
  }
  SECTION("the worker") {
    worker(rig).silent = true;
    CHECK_THAT(rig.failing_apply(join_1),
               contains("waited 5m for a login on gpu-worker-1 at 192.168.130.21, in vain"));
  }
}

TEST_CASE("worker-join: goes on after a run that was cut short anywhere, and undo takes it all back") {
  for (const std::string part : {"token create", "put /root", "kubeadm join", "remove /root", "token delete"}) {
    for (const bool undone : {true, false}) {
      INFO(part << (undone ? ", undone" : ", applied again"));
      ClusterRig rig;
      rig.apply(init);
      const Json before = state(rig);
      fail_at(rig, part);
      CHECK_THAT(rig.failing_apply(join_1), contains("injected failure of " + part));
      rig.host.before_change = {};
      if (undone) {
        rig.undo(join_1);
        CHECK(state(rig) == before);
        rig.undo(join_1);
        CHECK(state(rig) == before);
      } else {
        rig.apply(join_1);
        CHECK(worker(rig).disk.files.count(config) == 0);
        CHECK(rig.host.count("kubeadm reset") == 0);
      }
    }
  }
}

TEST_CASE("worker-join: the token of a join that fails is deleted") {
  ClusterRig rig;
  rig.apply(init);
  fail_at(rig, "kubeadm join");
  rig.failing_apply(join_1);
  CHECK(rig.host.count("token delete") == 1);
}

TEST_CASE("worker-join: a token that a killed run left behind makes the join unfinished") {
  ClusterRig rig;
  rig.apply(init);
  rig.apply(join_1);
  worker(rig).disk.files[config] = {"token", 0600};
  CHECK(rig.plan(join_1).action == Action::create);
  rig.apply(join_1);
  CHECK(rig.host.count("kubeadm join") == 1);
  CHECK(worker(rig).disk.files.count(config) == 0);
}

TEST_CASE("worker-join: a worker with the membership of a cluster that is gone is reset first") {
  ClusterRig rig;
  rig.apply(init);
  rig.apply(join_1);
  rig.host.machines.at("gpu-control-plane").disk = {};
  rig.apply(init);
  CHECK(rig.plan(join_1).action == Action::create);
  rig.apply(join_1);
  CHECK(rig.host.changed("gpu-worker-1: kubeadm reset --force"));
}

TEST_CASE("worker-join: a VM that was made anew replaces its old, dead node") {
  ClusterRig rig;
  rig.apply(init);
  rig.apply(join_1);
  worker(rig).disk = {};
  const Change change = rig.plan(join_1);
  CHECK(change.action == Action::update);
  CHECK(change.reasons == std::vector<std::string>{"`ready` is false, the spec says true"});
  rig.apply(join_1);
  CHECK(rig.host.changed(
      "kubectl --kubeconfig /etc/kubernetes/admin.conf --request-timeout=20s delete node gpu-worker-1"));
}

TEST_CASE("worker-join: drift of the label and a forgotten cordon are put right, and undone") {
  ClusterRig rig;
  rig.apply(init);
  rig.apply(join_1);
  Json& node = rig.host.cluster()["nodes"]["gpu-worker-1"];
  node["labels"].erase("gpuplan.io/cluster");
  node["unschedulable"] = true;
  const Json before = state(rig);
  const Change change = rig.plan(join_1);
  CHECK(change.action == Action::update);
  CHECK(change.reasons.size() == 2);
  rig.apply(join_1);
  CHECK(rig.host.count("kubeadm join") == 1);
  rig.undo(join_1);
  CHECK(state(rig) == before);
}

TEST_CASE("worker-join: a foreign node of that name is refused and left alone") {
  ClusterRig rig;
  rig.apply(init);
  Json& nodes = rig.host.cluster()["nodes"];
  nodes["gpu-worker-1"] = nodes["gpu-control-plane"];
  nodes["gpu-worker-1"]["labels"] = Json::object();
  const std::vector<CheckResult> checks = rig.check(join_1);
  CHECK(text_of(checks) ==
        "fail node-name: the cluster has a node gpu-worker-1 that gpuplan did not bring in (no label "
        "gpuplan.io/cluster=gpu)\n");
  CHECK(checks.front().remedy ==
        "rename the worker in the spec, or take the node away: `gpuplan ssh gpu-control-plane --cluster gpu -- kubectl "
        "--kubeconfig /etc/kubernetes/admin.conf delete node gpu-worker-1`");
  CHECK(rig.check(join_2).empty());
}

TEST_CASE("worker-join: leaving is drain, delete, reset, and irreversible") {
  ClusterRig rig;
  rig.apply_all();
  const Change change = rig.removal(join_2, {"vm-define/gpu-worker-2"});
  CHECK(change.withdraw_is_irreversible);
  CHECK(
      change.irreversible ==
      std::vector<std::string>{"draining gpu-worker-2 evicts its pods, and leaving the cluster ends its membership"});
  const std::size_t first = rig.host.changes.size();
  rig.withdraw(change);
  const std::vector<std::string> done(rig.host.changes.begin() + static_cast<std::ptrdiff_t>(first),
                                      rig.host.changes.end());
  REQUIRE(done.size() == 5);
  CHECK_THAT(done[0], contains("cordon gpu-worker-2"));
  CHECK_THAT(done[1], contains("drain gpu-worker-2 --ignore-daemonsets --delete-emptydir-data --timeout=600s"));
  CHECK_THAT(done[2], contains("delete node gpu-worker-2"));
  CHECK_THAT(done[3], contains("gpu-worker-2: kubeadm reset --force"));
  CHECK_THAT(done[4], contains("gpu-worker-2: bash -s -- pod_network"));
  CHECK_FALSE(rig.observe(join_2).exists);
  CHECK(rig.observe(join_1).exists);
  rig.withdraw(change);  // again: nothing left to do
  CHECK(rig.host.changes.size() == first + 5);
}

TEST_CASE("worker-join: a drain that a disruption budget stops is an error, not a warning") {
  ClusterRig rig;
  rig.apply(init);
  rig.apply(join_1);
  rig.host.cluster()["nodes"]["gpu-worker-1"]["stuck_pod"] = "train-0";
  CHECK_THROWS_WITH(rig.withdraw(rig.removal(join_1)),
                    contains("gpu-worker-1 could not be drained: error when evicting pods/\"train-0\" -n \"default\": Cannot evict "
                             "pod as it would violate the pod's disruption budget; `gpuplan ssh") &&
                        contains("get pods -A -o wide --field-selector spec.nodeName=gpu-worker-1` shows") &&
                        contains("get pdb -A` the budgets that may hold them"));
  CHECK(rig.observe(join_1).exists);
}

TEST_CASE("worker-join: a dead worker is not drained, which would never end") {
  ClusterRig rig;
  rig.apply(init);
  rig.apply(join_1);
  worker(rig).running = false;
  rig.withdraw(rig.removal(join_1));
  CHECK_FALSE(rig.host.changed("drain"));
  CHECK(rig.host.changed("delete node gpu-worker-1"));
}

TEST_CASE("worker-join: goes with its VM when the whole cluster goes") {
  ClusterRig rig;
  rig.apply(init);
  rig.apply(join_1);
  const Change change = rig.removal(join_1, {"vm-define/gpu-worker-1", init});
  CHECK_FALSE(change.has_withdraw);
  CHECK(change.reversible());
  CHECK(change.notes == std::vector<std::string>{"goes with its VM"});
}

TEST_CASE("worker-join: a worker or control plane that is off is taken to be as it was left") {
  ClusterRig rig;
  rig.apply(init);
  rig.apply(join_1);
  SECTION("worker") {
    worker(rig).running = false;
    CHECK(rig.plan(join_1).action == Action::none);
    CHECK(rig.observe(join_1).unreadable.front() ==
          "gpu-worker-1 is off; it is taken to be as the last apply left it");
  }
  SECTION("control plane") {
    rig.host.machines.at("gpu-control-plane").running = false;
    CHECK(rig.plan(join_1).action == Action::none);
  }
  SECTION("never joined") {
    rig.host.machines.at("gpu-control-plane").running = false;
    CHECK_FALSE(rig.observe(join_2).exists);
  }
}

TEST_CASE("worker-join: a worker that comes later waits for its GPUs from the operator that is there") {
  ClusterRig rig({4});
  rig.apply_all();
  WorkerSpec late;
  late.key = "worker-2";
  late.name = "gpu-worker-2";
  late.address = "192.168.130.22";
  late.gpu_indexes = {4, 5};
  rig.spec.workers.push_back(late);
  rig.host.machines["gpu-worker-2"].address = late.address;
  rig.host.machines["gpu-worker-2"].gpus = 1;  // one is missing
  rig.spec.timeouts.operator_ready = 120;
  CHECK_THAT(
      rig.failing_apply(join_2),
      contains("waited 2m for the 2 planned GPUs of gpu-worker-2 to become allocatable, in vain; last seen: allocatable "
               "nvidia.com/gpu of gpu-worker-2 is 1; `gpuplan ssh gpu-control-plane --cluster gpu -- kubectl --kubeconfig "
               "/etc/kubernetes/admin.conf get pods -n gpu-operator -o wide` shows which part is missing; more time: "
               "`timeouts: {operator: 4m}` in the spec"));
  rig.host.machines["gpu-worker-2"].gpus = 2;
  CHECK(rig.plan(join_2).action == Action::none);
}

TEST_CASE("worker-join: without a pod network registration is all that is waited for") {
  ClusterRig rig;
  rig.spec.kubernetes.cni = "none";
  rig.apply(init);
  rig.apply(join_1);
  CHECK_FALSE(rig.observe(join_1).attributes.flag("ready"));
}
