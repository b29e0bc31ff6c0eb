// Machines with a past: what pod networks leave on a node, of which a reset of kubeadm takes nothing away, and another
// container runtime beside containerd.
#include "fake_guest_host.h"
#include "support/catch.h"

using namespace gpuplan;
using namespace gpuplan::test;

namespace {

constexpr const char* init = "k8s-init/gpu-control-plane";
constexpr const char* join = "worker-join/gpu-worker-1";
using Names = std::vector<std::string>;

Names cni_files(ClusterRig& rig, const std::string& node) {
  const std::string directory = "/etc/cni/net.d/";
  Names out;
  for (const auto& [path, file] : rig.host.machines.at(node).disk.files) {
    if (path.rfind(directory, 0) == 0) out.push_back(path.substr(directory.size()));
  }
  return out;
}

void take_down(ClusterRig& rig) {
  for (const char* address : {join, init}) {
    rig.withdraw(rig.removal(address));
    rig.journal.erase(address);
  }
}

}  // namespace

TEST_CASE("a machine that was in a cluster has the pod network of its next one") {
  ClusterRig rig({0});
  const std::string own = "87-podman-bridge.conflist";
  rig.host.machines.at("gpu-worker-1").disk.files["/etc/cni/net.d/" + own] = {"{}\n", 0644};
  rig.apply(init);
  rig.apply(join);
  CHECK(cni_files(rig, "gpu-control-plane") == Names{"10-calico.conflist", "calico-kubeconfig"});
  CHECK(cni_files(rig, "gpu-worker-1") == Names{"10-calico.conflist", own, "calico-kubeconfig"});
  take_down(rig);
  CHECK(cni_files(rig, "gpu-control-plane").empty());
  CHECK(cni_files(rig, "gpu-worker-1") == Names{own});

  rig.spec.kubernetes.cni = "flannel";
  rig.apply(init);
  rig.apply(join);
  CHECK(cni_files(rig, "gpu-control-plane") == Names{"10-flannel.conflist"});
  CHECK(cni_files(rig, "gpu-worker-1") == Names{"10-flannel.conflist", own});
  take_down(rig);
  CHECK(cni_files(rig, "gpu-worker-1") == Names{own});
}

TEST_CASE("a removal that was killed behind its reset takes the rest away") {
  ClusterRig rig({0});
  rig.apply(init);
  rig.apply(join);
  for (const char* address : {join, init}) {
    INFO(address);
    const Change change = rig.removal(address);
    rig.host.before_change = [](const std::string& text) {
      if (text.find("bash -s -- pod_network") != std::string::npos) throw HostError(HostError::Kind::failed, text, "killed");
    };
    CHECK_THROWS_AS(rig.withdraw(change), HostError);
    rig.host.before_change = {};
    rig.withdraw(change);
  }
  CHECK(cni_files(rig, "gpu-control-plane").empty());
  CHECK(cni_files(rig, "gpu-worker-1").empty());
}

TEST_CASE("a machine with two container runtimes uses containerd, as kubeadm would not choose") {
  ClusterRig rig({0});
  for (auto& [name, machine] : rig.host.machines) machine.disk.state["other_runtimes"] = {"unix:///var/run/crio/crio.sock"};
  rig.apply(init);
  rig.apply(join);
  for (const char* file : {"/root/gpuplan-kubeadm-init.yaml", "/root/gpuplan-kubeadm-join.yaml"})
    CHECK_THAT(rig.host.put_files.at(file), contains("\"criSocket\": \"unix:///run/containerd/containerd.sock\"\n"));
  take_down(rig);
  CHECK(rig.host.count("kubeadm reset --force --cri-socket unix:///run/containerd/containerd.sock") == 2);
}
