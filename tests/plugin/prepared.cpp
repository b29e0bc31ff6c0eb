// node-prepare: what is installed on the nodes, as the scripts' own --check tells it.
#include <algorithm>

#include "fake_guest_host.h"
#include "support/catch.h"

using namespace gpuplan;
using namespace gpuplan::test;

namespace {

constexpr const char* control_plane = "node-prepare/gpu-control-plane";
constexpr const char* worker = "node-prepare/gpu-worker-1";
using Texts = std::vector<std::string>;

Json& scripts_run_on(ClusterRig& rig, const std::string& node) { return rig.host.machines.at(node).disk.state["prepared"]; }

}  // namespace

TEST_CASE("prepared: a node declares the scripts that it needs, with what the spec decides of them") {
  ClusterRig rig({4, 0});
  rig.spec.kubernetes.version = "1.34";
  rig.spec.gpu_operator.driver = "operator";
  const Texts common = {"base", "firewall --networks 192.168.130.0/24,10.244.0.0/16", "containerd --kubernetes 1.34",
                        "kubernetes --version 1.34"};
  CHECK(rig.resource(control_plane).declared.list("prepared") == common);
  Texts with_gpus = common;
  with_gpus.emplace_back("nouveau");
  CHECK(rig.resource(worker).declared.list("prepared") == with_gpus);
  rig.spec.gpu_operator.driver = "preinstalled";
  CHECK(rig.resource(worker).declared.list("prepared").back() == "nvidia --toolkit yes");
  rig.spec.gpu_operator.values_json = R"({"toolkit":{"enabled":true}})";
  CHECK(rig.resource(worker).declared.list("prepared").back() == "nvidia");  // one of them brings it, never both
  CHECK(rig.resource("node-prepare/gpu-worker-2").declared.list("prepared") == common);
  rig.spec.mirrors.only = true;  // packages are installed when the mirrors are there, and not at the first boot
  CHECK(rig.resource(control_plane).declared.list("prepared").front() == "base --agent yes");
}

TEST_CASE("prepared: nodes need their VMs and nothing else, so that all are prepared at once") {
  ClusterRig rig;
  for (const char* node : {"gpu-control-plane", "gpu-worker-1", "gpu-worker-2"}) {
    const Resource resource = rig.resource("node-prepare/" + std::string(node));
    CHECK(resource.depends_on == std::vector<Address>{Address("vm-define", node)});
    CHECK(resource.lives_in == resource.depends_on);
    // Before its control plane answers, and before there is one.
    rig.host.machines.at("gpu-control-plane").silent = std::string(node) != "gpu-control-plane";
    rig.apply("node-prepare/" + std::string(node));
    CHECK(rig.host.machines.at(node).disk.state.at("kubeadm_version") == "v1.34.2");
  }
}

TEST_CASE("prepared: a fresh guest has each script run once, and what that printed is kept") {
  ClusterRig rig;
  const Change change = rig.apply(control_plane);
  CHECK(change.action == Action::create);
  for (const char* name : {"base", "containerd", "kubernetes"}) {
    INFO(name);
    CHECK(rig.host.count(std::string("bash -s -- ") + name) == 1);
  }
  CHECK_FALSE(rig.host.changed("bash -s -- nvidia"));
  rig.apply(worker);
  CHECK(rig.host.count("gpu-worker-1: bash -s -- kubernetes --version 1.34") == 1);
  CHECK(rig.host.count("gpu-worker-1: bash -s -- nvidia") == 1);
  rig.host.changes.clear();
  FakeContext context(rig.spec, rig.host);
  rig.kind("node-prepare").apply(change, rig.journal.at(control_plane).captured, rig.host, context);
  CHECK(rig.host.changes.empty());
  CHECK(context.output_lines.empty());
}

TEST_CASE("prepared: NVIDIA's driver is installed only where GPUs and the spec want it") {
  ClusterRig without_gpus({4, 0});
  without_gpus.apply("node-prepare/gpu-worker-2");
  CHECK_FALSE(without_gpus.host.changed("bash -s -- nvidia"));
  ClusterRig by_operator({4});
  by_operator.spec.gpu_operator.driver = "operator";
  by_operator.apply(worker);
  CHECK_FALSE(by_operator.host.changed("bash -s -- nvidia"));
}

TEST_CASE("prepared: kubeadm does not begin on a node that is not prepared") {
  for (const auto& [prepare, address] : {std::pair{control_plane, "k8s-init/gpu-control-plane"},
                                         std::pair{worker, "worker-join/gpu-worker-1"}}) {
    INFO(address);
    ClusterRig rig;
    const Resource resource = rig.resource(address);
    CHECK(std::count(resource.depends_on.begin(), resource.depends_on.end(), *Address::parse(prepare)) == 1);
    if (prepare == std::string(worker)) rig.apply("k8s-init/gpu-control-plane");
    rig.host.changes.clear();
    rig.host.before_change = [](const std::string& text) {
      if (text.find("bash -s -- containerd") != std::string::npos) throw HostError(HostError::Kind::failed, text, "injected");
    };
    CHECK(rig.failing_apply(address) == "injected");
    CHECK_FALSE(rig.host.changed("kubeadm"));
  }
}

TEST_CASE("prepared: a script that fails is named with its log, and is run again") {
  ClusterRig rig;
  rig.host.before_change = [](const std::string& text) {
    if (text.find("bash -s -- containerd") != std::string::npos)
      throw HostError(HostError::Kind::unreachable, "gpu-control-plane", "gpu-control-plane does not answer ssh");
  };
  CHECK(rig.failing_apply(control_plane) == "gpu-control-plane does not answer ssh");
  rig.host.before_change = {};
  CHECK(rig.apply(control_plane).action == Action::update);  // what was begun is there, if not whole
  CHECK(rig.host.count("bash -s -- base") == 1);
}

TEST_CASE("prepared: an image with another minor version of kubeadm is refused") {
  ClusterRig rig;
  rig.spec.kubernetes.version = "1.35";
  rig.host.machines.at("gpu-control-plane").disk.state["kubeadm_version"] = "v1.34.2";
  CHECK(rig.failing_apply(control_plane) ==
        "installing Kubernetes 1.35 on gpu-control-plane failed: kubeadm 1.34.2 is here, and Kubernetes 1.35 is asked for: "
        "gpuplan does not change installed versions; use an image without them; `gpuplan logs gpu-control-plane --cluster "
        "gpu` prints all of its output, which is in logs/gpu-control-plane.log");
}

TEST_CASE("prepared: a machine that has everything is prepared without installing anything, and left with it") {
  ClusterRig rig;
  rig.apply(worker);
  rig.journal.erase(worker);
  rig.host.changes.clear();
  CHECK(rig.plan(worker).action == Action::create);  // it is not gpuplan's yet
  rig.apply(worker);
  CHECK(rig.host.changes.empty());
  Change removal = rig.removal(worker);
  CHECK_FALSE(removal.has_withdraw);  // there are no mirrors to take away
  CHECK(removal.notes == Texts{"what is installed on gpu-worker-1 stays there"});
  removal = rig.removal(worker, {"vm-define/gpu-worker-1"});
  CHECK_FALSE(removal.has_withdraw);
  CHECK(removal.notes == Texts{"goes with its VM"});
  rig.undo(worker);
  CHECK(rig.host.changes.empty());
}

TEST_CASE("prepared: a worker gets the patch of Kubernetes that the control plane has") {
  ClusterRig rig;
  const auto installed = [&](const std::string& node) { return rig.host.machines.at(node).disk.state.at("kubeadm_version"); };
  rig.apply("k8s-init/gpu-control-plane");
  REQUIRE(installed("gpu-control-plane") == "v1.34.2");  // the newest of "1.34" on that day
  rig.host.machines.at("gpu-control-plane").disk.state["kubeadm_version"] = "v1.34.1";
  rig.apply(worker);
  CHECK(rig.host.changed("gpu-worker-1: bash -s -- kubernetes --version 1.34.1"));
  CHECK(installed("gpu-worker-1") == "v1.34.1");
  CHECK(rig.plan(worker).action == Action::none);  // what is declared is still "1.34"
  rig.host.machines.at("gpu-worker-2").disk.state["kubeadm_version"] = "v1.34.0";
  rig.apply("node-prepare/gpu-worker-2");
  CHECK(installed("gpu-worker-2") == "v1.34.0");  // an image's own of that minor version stays
}

TEST_CASE("prepared: a control plane that cannot say its version holds no worker up") {
  ClusterRig rig;
  rig.host.machines.at("gpu-control-plane").disk.files["/etc/kubernetes/admin.conf"] = {"", 0600};
  rig.apply(worker);
  CHECK(rig.host.changed("gpu-worker-1: bash -s -- kubernetes --version 1.34"));
}

TEST_CASE("prepared: what is gone from a node of a running cluster is seen, and installed again") {
  ClusterRig rig;
  rig.apply_all();
  for (const char* node : {"gpu-control-plane", "gpu-worker-1"}) {
    INFO(node);
    const std::string address = "node-prepare/" + std::string(node);
    scripts_run_on(rig, node).erase("containerd");
    const Change change = rig.plan(address);
    CHECK(change.action == Action::update);
    REQUIRE(change.attributes.size() == 1);
    CHECK(change.attributes.front().name == "prepared");
    CHECK(change.notes == Texts{"on " + std::string(node) + ": containerd.sh has not run"});
    rig.apply(address);
    CHECK(rig.host.count(std::string(node) + ": bash -s -- containerd") == 2);
  }
  CHECK(rig.host.count("kubeadm init") == 1);
  CHECK(rig.host.count("kubeadm join") == 2);  // one for each worker
}

TEST_CASE("prepared: what cannot be told is said, and taken to be as declared") {
  ClusterRig rig;
  rig.apply(worker);
  SECTION("the worker does not answer, or is off") {
    FakeGuest& machine = rig.host.machines.at("gpu-worker-1");
    const bool is_off = GENERATE(false, true);
    (is_off ? machine.running : machine.silent) = !is_off;
    const Change change = rig.plan(worker);
    CHECK(change.action == Action::none);
    REQUIRE_FALSE(change.before.unreadable.empty());
    CHECK_THAT(change.before.unreadable.front(),
               contains(is_off ? "gpu-worker-1 is off" : "gpu-worker-1 does not answer a login at") &&
                   contains("it is taken to be as the last apply left it"));
  }
  SECTION("the worker is silent, and was never prepared to its end") {
    rig.journal.at(worker).complete = false;
    rig.host.machines.at("gpu-worker-1").silent = true;
    const Change change = rig.plan(worker);
    CHECK(change.action == Action::create);
    CHECK_FALSE(change.before.unreadable.empty());
  }
  SECTION("its VM is gone") {
    rig.host.machines.at("gpu-worker-1").defined = false;
    CHECK(rig.plan(worker).action == Action::create);
  }
  SECTION("a check fails by itself") {
    Resource resource = rig.resource(worker);
    resource.declared.set("prepared", Texts{"base --nonsense yes"});
    const Observation observed = rig.kind("node-prepare").observe(resource, rig.prior(worker), rig.host);
    CHECK(observed.attributes.list("prepared") == resource.declared.list("prepared"));
    REQUIRE(observed.unreadable.size() == 1);
    CHECK(observed.unreadable.front() ==
          "what `base` needs on gpu-worker-1: preparing the system on gpu-worker-1 failed: base.sh: cannot use these "
          "arguments; it is taken to be as declared");
  }
}
