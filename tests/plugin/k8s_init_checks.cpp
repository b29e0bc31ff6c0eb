// What k8s-init refuses before anything is planned.
#include "fake_guest_host.h"
#include "support/catch.h"

using namespace gpuplan;
using namespace gpuplan::test;

namespace {

const std::string address = "k8s-init/gpu-control-plane";

FakeGuest& control_plane(ClusterRig& rig) { return rig.host.machines.at("gpu-control-plane"); }

}  // namespace

TEST_CASE("k8s-init: what cannot be changed in a running cluster is refused before anything is planned") {
  ClusterRig rig;
  rig.apply(address);
  CHECK(text_of(rig.check(address)).find("fail") == std::string::npos);
  SECTION("version") {
    rig.spec.kubernetes.version = "1.35";
    const std::vector<CheckResult> checks = rig.check(address);
    CHECK_THAT(text_of(checks),
               contains("fail kubernetes-version: the running cluster has 1.34, the spec says 1.35"));
    CHECK(checks.front().remedy ==
          "gpuplan does not upgrade clusters yet: put `kubernetes.version: 1.34` back; only a new cluster can have another, and "
          "`gpuplan destroy --cluster gpu` deletes everything that is stored in this one");
  }
  SECTION("a version that is only written more precisely") {
    rig.spec.kubernetes.version = "1.34.2";
    CHECK(text_of(rig.check(address)).find("fail") == std::string::npos);
    CHECK(rig.plan(address).action == Action::none);
  }
  SECTION("pod network") {
    rig.spec.kubernetes.pod_cidr = "10.99.0.0/16";
    CHECK_THAT(text_of(rig.check(address)),
               contains("fail pod-network: the running cluster has 10.244.0.0/16, the spec says 10.99.0.0/16"));
  }
  SECTION("CNI") {
    rig.spec.kubernetes.cni = "flannel";
    CHECK_THAT(text_of(rig.check(address)),
               contains("fail cni: the running cluster has calico, the spec says flannel"));
  }
  SECTION("owner") {
    rig.spec.cluster = "other";
    CHECK_THAT(
        text_of(rig.check(address)),
        contains(
            "fail cluster-owner: gpu-control-plane runs the cluster `gpu`, which gpuplan did not make for `other`"));
  }
}

TEST_CASE("k8s-init: what cannot be changed is refused also while the cluster cannot be asked") {
  ClusterRig rig;
  rig.apply(address);
  control_plane(rig).running = GENERATE(true, false);
  control_plane(rig).silent = control_plane(rig).running;
  CHECK(text_of(rig.check(address)).find("fail") == std::string::npos);
  SECTION("version") {
    rig.spec.kubernetes.version = "1.35";
    const std::vector<CheckResult> checks = rig.check(address);
    CHECK_THAT(text_of(checks), contains("fail kubernetes-version: the running cluster has 1.34, the spec says 1.35"));
    CHECK_THAT(checks.front().remedy, contains("put `kubernetes.version: 1.34` back"));
    CHECK(checks.front().read_from == "the last apply");
  }
  SECTION("a version that is only written more or less precisely") {
    rig.spec.kubernetes.version = "1.34.2";
    CHECK(text_of(rig.check(address)).find("fail") == std::string::npos);
    rig.journal.at(address).change.resource.declared.set("version", "1.34.2");
    CHECK(text_of(rig.check(address)).find("fail") == std::string::npos);
    rig.spec.kubernetes.version = "1.34";
    CHECK(text_of(rig.check(address)).find("fail") == std::string::npos);
    rig.spec.kubernetes.version = "1.34.3";
    CHECK_THAT(text_of(rig.check(address)), contains("the running cluster has 1.34.2, the spec says 1.34.3"));
  }
  SECTION("CNI") {
    rig.spec.kubernetes.cni = "flannel";
    CHECK_THAT(text_of(rig.check(address)), contains("fail cni: the running cluster has calico, the spec says flannel"));
  }
  SECTION("what was never made whole") {
    rig.spec.kubernetes.version = "1.35";
    rig.journal.at(address).complete = false;
    CHECK(text_of(rig.check(address)).find("fail") == std::string::npos);
  }
  SECTION("a guest that is gone") {
    rig.spec.kubernetes.version = "1.35";
    control_plane(rig).defined = false;
    CHECK(text_of(rig.check(address)).find("fail") == std::string::npos);
  }
}

TEST_CASE("k8s-init: Flannel's built-in pod network is checked") {
  ClusterRig rig;
  rig.spec.kubernetes.cni = "flannel";
  CHECK(rig.check(address).empty());
  rig.apply(address);
  CHECK(rig.host.changed("https://github.com/flannel-io/flannel/releases/download/v0.28.5/kube-flannel.yml"));
  ClusterRig other;
  other.spec.kubernetes.cni = "flannel";
  other.spec.kubernetes.pod_cidr = "10.1.0.0/16";
  CHECK_THAT(
      text_of(other.check(address)),
      contains(
          "fail pod-network: kubernetes.pod_cidr is 10.1.0.0/16, but Flannel's manifest has 10.244.0.0/16 built in"));
}
