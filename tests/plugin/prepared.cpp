// What is installed on the nodes, as the scripts' own --check tells it.
#include <algorithm>

#include "fake_guest_host.h"
#include "support/catch.h"

using namespace gpuplan;
using namespace gpuplan::test;

namespace {

constexpr const char* init = "k8s-init/gpu-control-plane";
constexpr const char* join = "worker-join/gpu-worker-1";

Json& scripts_run_on(ClusterRig& rig, const std::string& node) { return rig.host.machines.at(node).disk.state["prepared"]; }

}  // namespace

TEST_CASE("prepared: a node declares the scripts that it needs, with what the spec decides of them") {
  ClusterRig rig({4, 0});
  rig.spec.kubernetes.version = "1.34";
  rig.spec.gpu_operator.driver = "operator";
  using Texts = std::vector<std::string>;
  const Texts common = {"base", "firewall --networks 192.168.130.0/24,10.244.0.0/16", "containerd --kubernetes 1.34",
                        "kubernetes --version 1.34"};
  CHECK(rig.resource(init).declared.list("prepared") == common);
  Texts with_gpus = common;
  with_gpus.emplace_back("nouveau");
  CHECK(rig.resource(join).declared.list("prepared") == with_gpus);
  rig.spec.gpu_operator.driver = "preinstalled";
  CHECK(rig.resource(join).declared.list("prepared").back() == "nvidia --toolkit yes");
  rig.spec.gpu_operator.values_json = R"({"toolkit":{"enabled":true}})";
  CHECK(rig.resource(join).declared.list("prepared").back() == "nvidia");  // one of them brings it, never both
  CHECK(rig.resource("worker-join/gpu-worker-2").declared.list("prepared") == common);
  rig.spec.mirrors.only = true;  // packages are installed when the mirrors are there, and not at the first boot
  CHECK(rig.resource(init).declared.list("prepared").front() == "base --agent yes");
}

TEST_CASE("prepared: a worker gets the patch of Kubernetes that the control plane has") {
  ClusterRig rig;
  rig.apply(init);
  const auto installed = [&](const std::string& node) { return rig.host.machines.at(node).disk.state.at("kubeadm_version"); };
  REQUIRE(installed("gpu-control-plane") == "v1.34.2");  // the newest of "1.34" on that day
  rig.host.machines.at("gpu-control-plane").disk.state["kubeadm_version"] = "v1.34.1";
  rig.apply(join);
  CHECK(rig.host.changed("gpu-worker-1: bash -s -- kubernetes --version 1.34.1"));
  CHECK(installed("gpu-worker-1") == "v1.34.1");
  CHECK(rig.plan(join).action == Action::none);  // what is declared is still "1.34"
  rig.host.machines.at("gpu-worker-2").disk.state["kubeadm_version"] = "v1.34.0";
  rig.apply("worker-join/gpu-worker-2");
  CHECK(installed("gpu-worker-2") == "v1.34.0");  // an image's own of that minor version stays
}

TEST_CASE("prepared: what is gone from a node of a running cluster is seen, and installed again") {
  ClusterRig rig;
  rig.apply(init);
  rig.apply(join);
  for (const auto& [address, node] : {std::pair{init, "gpu-control-plane"}, std::pair{join, "gpu-worker-1"}}) {
    INFO(address);
    scripts_run_on(rig, node).erase("containerd");
    const Change change = rig.plan(address);
    CHECK(change.action == Action::update);
    REQUIRE(change.attributes.size() == 1);
    CHECK(change.attributes.front().name == "prepared");
    CHECK(change.notes == std::vector<std::string>{"on " + std::string(node) + ": containerd.sh has not run"});
    rig.apply(address);
    CHECK(rig.host.count(std::string(node) + ": bash -s -- containerd") == 2);
  }
  CHECK(rig.host.count("kubeadm init") == 1);
  CHECK(rig.host.count("kubeadm join") == 1);
}

TEST_CASE("prepared: what cannot be told is said, and taken to be as declared") {
  ClusterRig rig;
  rig.apply(init);
  rig.apply(join);
  SECTION("the worker does not answer") {
    rig.host.machines.at("gpu-worker-1").silent = true;
    const Change change = rig.plan(join);
    CHECK(std::none_of(change.attributes.begin(), change.attributes.end(),
                       [](const AttributeChange& attribute) { return attribute.name == "prepared"; }));
    REQUIRE_FALSE(change.before.unreadable.empty());
    CHECK_THAT(change.before.unreadable.front(),
               contains("what is installed on gpu-worker-1: gpu-worker-1 does not answer") && contains("taken to be as declared"));
  }
  SECTION("a check fails by itself") {
    Resource resource = rig.resource(join);
    resource.declared.set("prepared", std::vector<std::string>{"base --nonsense yes"});
    const Observation observed = rig.kind("worker-join").observe(resource, rig.prior(join), rig.host);
    CHECK(observed.attributes.list("prepared") == resource.declared.list("prepared"));
    REQUIRE(observed.unreadable.size() == 1);
    CHECK(observed.unreadable.front() ==
          "what `base` needs on gpu-worker-1: preparing the system on gpu-worker-1 failed: base.sh: cannot use these "
          "arguments; it is taken to be as declared");
  }
}
