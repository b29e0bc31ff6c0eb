// The step kind k8s-init against simulated guests.
#include "fake_guest_host.h"
#include "host/sim/guest_yaml.h"
#include "support/catch.h"

using namespace gpuplan;
using namespace gpuplan::test;

namespace {

const std::string address = "k8s-init/gpu-control-plane";
const std::string config = "/root/gpuplan-kubeadm-init.yaml";

FakeGuest& control_plane(ClusterRig& rig) { return rig.host.machines.at("gpu-control-plane"); }

// The file as kubeadm got it, caught on its way.
std::vector<Json> config_given_to_kubeadm(ClusterRig& rig) {
  std::vector<Json> documents;
  unsigned mode = 0;
  rig.host.before_change = [&](const std::string& text) {
    if (text.find("kubeadm init") == std::string::npos) return;
    std::string error;
    const sim::GuestFile& file = control_plane(rig).disk.files.at(config);
    mode = file.mode;
    documents = sim::read_yaml_documents(file.content, error);
    CHECK(error.empty());
  };
  rig.apply(address);
  rig.host.before_change = {};
  CHECK(mode == 0600);
  return documents;
}

void fail_at(ClusterRig& rig, const std::string& part) {
  rig.host.before_change = [part](const std::string& text) {
    if (text.find(part) != std::string::npos)
      throw HostError(HostError::Kind::failed, text, "injected failure of " + part);
  };
}

}  // namespace

TEST_CASE("k8s-init: takes the Calico that goes with the version of Kubernetes") {
  ClusterRig rig;
  const auto manifest = [&](const char* version) {
    rig.spec.kubernetes.version = version;
    return rig.plan(address).notes.at(0);
  };
  const std::string from = "calico comes from https://raw.githubusercontent.com/projectcalico/calico/";
  CHECK(manifest("1.29") == from + "v3.32.0/manifests/calico.yaml");
  CHECK(manifest("1.28.15") == from + "v3.25.2/manifests/calico.yaml");
  CHECK(manifest("1.23") == from + "v3.25.2/manifests/calico.yaml");
}

TEST_CASE("k8s-init: declares the control plane inside its VM") {
  ClusterRig rig;
  const Resource resource = rig.resource(address);
  CHECK(resource.depends_on == std::vector<Address>{Address("vm-define", "gpu-control-plane"),
                                                    Address("node-prepare", "gpu-control-plane")});
  CHECK(resource.lives_in == std::vector<Address>{Address("vm-define", "gpu-control-plane")});
  CHECK(resource.declared.text("endpoint") == "192.168.130.10:6443");
  CHECK(resource.declared.text("version") == "1.34");
  CHECK(resource.declared.text("cni") == "calico");
  rig.spec.kubernetes.cni = "none";
  CHECK(rig.resource(address).declared.find("cni") == nullptr);
}

TEST_CASE("k8s-init: makes a cluster, and a second apply has nothing to do") {
  ClusterRig rig;
  const Change change = rig.plan(address);
  CHECK(change.action == Action::create);
  CHECK(
      change.notes ==
      std::vector<std::string>{
          "calico comes from https://raw.githubusercontent.com/projectcalico/calico/v3.32.0/manifests/calico.yaml"});
  rig.apply(address);
  const Observation observed = rig.observe(address);
  CHECK(observed.exists);
  CHECK(observed.attributes.text("installed") == "v1.34.2");
  CHECK(observed.attributes.text("version") == "1.34");
  CHECK(observed.attributes.text("pod_cidr") == "10.244.0.0/16");
  CHECK(observed.attributes.flag("ready"));
  CHECK(observed.read_from.at("version") == "ConfigMap kube-system/kubeadm-config");
  CHECK(observed.unreadable.empty());
  const std::size_t calls = rig.host.changes.size();
  CHECK(rig.apply(address).action == Action::none);
  CHECK(rig.host.changes.size() == calls);
  CHECK(control_plane(rig).disk.files.count(config) == 0);
}

TEST_CASE("k8s-init: writes v1beta4 from Kubernetes 1.31 on, with pinned values") {
  ClusterRig rig;
  const std::vector<Json> documents = config_given_to_kubeadm(rig);
  REQUIRE(documents.size() == 2);
  CHECK(documents[0].at("apiVersion") == "kubeadm.k8s.io/v1beta4");
  CHECK(documents[0].at("kind") == "InitConfiguration");
  CHECK(member_at(documents[0], "/nodeRegistration/kubeletExtraArgs/1/value") == "gpuplan.io/cluster=gpu");
  CHECK(documents[1].at("kubernetesVersion") == "v1.34.2");
  CHECK(documents[1].at("clusterName") == "gpu");
  CHECK(documents[1].at("controlPlaneEndpoint") == "192.168.130.10:6443");
  CHECK(member_at(documents[1], "/networking/serviceSubnet") == "10.96.0.0/12");
}

TEST_CASE("k8s-init: writes v1beta3 for Kubernetes 1.30") {
  ClusterRig rig;
  rig.spec.kubernetes.version = "1.30.2";
  control_plane(rig).disk.state["kubeadm_version"] = "v1.30.4";
  const std::vector<Json> documents = config_given_to_kubeadm(rig);
  REQUIRE(documents.size() == 2);
  CHECK(documents[0].at("apiVersion") == "kubeadm.k8s.io/v1beta3");
  CHECK(member_at(documents[0], "/nodeRegistration/kubeletExtraArgs/node-labels") == "gpuplan.io/cluster=gpu");
  CHECK(documents[1].at("kubernetesVersion") == "v1.30.2");
}

TEST_CASE("k8s-init: writes v1beta2 for Kubernetes 1.21, and tells the kubelet's cgroup driver") {
  ClusterRig rig;
  rig.spec.kubernetes.version = "1.21";
  rig.spec.kubernetes.cni = "flannel";
  control_plane(rig).disk.state["kubeadm_version"] = "v1.21.14";
  const std::vector<Json> documents = config_given_to_kubeadm(rig);
  REQUIRE(documents.size() == 3);
  CHECK(documents[0].at("apiVersion") == "kubeadm.k8s.io/v1beta2");
  CHECK(documents[1].at("apiVersion") == "kubeadm.k8s.io/v1beta2");
  CHECK(documents[2].at("kind") == "KubeletConfiguration");
  CHECK(documents[2].at("cgroupDriver") == "systemd");
}

TEST_CASE("k8s-init: names the registry of the images where kubeadm may have the frozen one built in") {
  const auto configuration = [](const std::string& version) {
    ClusterRig rig;
    rig.spec.kubernetes.version = version;
    rig.spec.kubernetes.cni = "flannel";
    control_plane(rig).disk.state["kubeadm_version"] = "v" + version;
    return config_given_to_kubeadm(rig).at(1);
  };
  CHECK_FALSE(configuration("1.25.0").contains("imageRepository"));
  CHECK_FALSE(configuration("1.25.0").contains("dns"));
  for (const std::string version : {"1.24.17", "1.21.14"}) {
    INFO(version);
    CHECK(configuration(version).at("imageRepository") == "registry.k8s.io");
    CHECK(member_at(configuration(version), "/dns/imageRepository") == "registry.k8s.io/coredns");
  }
  CHECK(configuration("1.20.15").at("imageRepository") == "registry.k8s.io");
  CHECK_FALSE(configuration("1.20.15").contains("dns"));
}

TEST_CASE("defect 7: the join token is a constant … k8s-init leaves none that lives for a day") {
  ClusterRig rig;
  rig.apply(address);
  CHECK(rig.host.changed("--skip-token-print"));
  const Json tokens = rig.host.cluster().at("tokens");
  for (const auto& [token, data] : tokens.items()) CHECK(int_at(data, "/expires") - rig.host.time <= 300);
  ClusterRig other;
  other.apply(address);
  CHECK(other.host.cluster().at("tokens") != tokens);
}

TEST_CASE("defect 9: admin.conf is world-readable … it and every file with a secret has mode 0600") {
  ClusterRig rig;
  rig.apply(address);
  const auto& files = control_plane(rig).disk.files;
  REQUIRE(files.count("/etc/kubernetes/admin.conf") == 1);
  for (const auto& [path, file] : files) {
    INFO(path);
    const bool secret = path.ends_with(".conf") || path.find("gpuplan") != std::string::npos;
    CHECK((!secret || file.mode == 0600));
  }
}

TEST_CASE("defect 11: the GPU Operator is installed by the control plane … k8s-init never runs Helm") {
  ClusterRig rig;
  rig.apply(address);
  CHECK_FALSE(rig.host.changed("helm"));
}

TEST_CASE("defect 12: fixed sleeps … a cluster that is ready at once is not waited for") {
  ClusterRig rig;
  const std::int64_t began = rig.host.time;
  rig.apply(address);
  const std::int64_t first = rig.host.time - began;
  CHECK(first >= 15);  // the simulated kubelet's own time
  CHECK(first <= 20);
}

TEST_CASE("defect 15: a timeout is a warning … k8s-init fails and says what it waited for") {
  ClusterRig rig;
  SECTION("login") {
    control_plane(rig).silent = true;
    CHECK(rig.failing_apply(address) ==
          "waited 5m for a login on gpu-control-plane at 192.168.130.10, in vain; last seen: gpu-control-plane does not "
          "answer a login at 192.168.130.10; `gpuplan console gpu-control-plane --cluster gpu --log` shows how far it is; more "
          "time: `timeouts: {ssh: 10m}` in the spec");
  }
  SECTION("node") {
    rig.spec.timeouts.node_ready = 9;
    CHECK(rig.failing_apply(address) ==
          "waited 9s for node gpu-control-plane to become Ready, in vain; last seen: gpu-control-plane is not Ready: "
          "[container runtime is down, PLEG is not healthy: pleg has yet to be successful]; `gpuplan ssh gpu-control-plane "
          "--cluster gpu -- journalctl -u kubelet -n 50` shows what its kubelet misses; more time: `timeouts: {node_ready: "
          "18s}` in the spec");
  }
}

TEST_CASE("k8s-init: goes on after a run that was cut short anywhere") {
  for (const std::string part : {"put /root", "kubeadm init", "remove /root", "kubectl"}) {
    INFO(part);
    ClusterRig rig;
    fail_at(rig, part);
    CHECK_THAT(rig.failing_apply(address), contains("injected failure of " + part));
    rig.host.before_change = {};
    rig.apply(address);
    CHECK(rig.host.count("kubeadm init") == 1);
    CHECK(control_plane(rig).disk.files.count(config) == 0);
    rig.undo(address);
  }
}

TEST_CASE("k8s-init: Calico joins nodes by the addresses of the spec, whatever others they have") {
  ClusterRig rig;
  rig.apply(address);
  CHECK(rig.host.cluster()["cni_environment"] == Json{{"IP_AUTODETECTION_METHOD", "kubernetes-internal-ip"}});
  ClusterRig flannel;
  flannel.spec.kubernetes.cni = "flannel";
  flannel.apply(address);
  CHECK_FALSE(flannel.host.cluster().contains("cni_environment"));
}

TEST_CASE("k8s-init: a pod network that was cut short is applied again, although it looks whole") {
  ClusterRig rig;
  const bool is_new = GENERATE(true, false);
  CAPTURE(is_new);
  if (!is_new) {
    rig.apply(address);
    rig.host.cluster()["cni"] = "";  // somebody has removed it
    rig.host.cluster().erase("cni_environment");
  }
  const Json before = disk_without_packages(control_plane(rig).disk);
  rig.host.before_change = [&](const std::string& text) {
    if (text.find("kubectl") == std::string::npos) return;
    rig.host.cluster()["cni"] = "calico";  // its DaemonSet is there, and nothing after it
    throw HostError(HostError::Kind::failed, text, "injected failure of kubectl apply");
  };
  CHECK_THAT(rig.failing_apply(address), contains("injected failure of kubectl apply"));
  rig.host.before_change = {};
  SECTION("the next run") {
    const std::size_t applied = rig.host.count("apply -f");
    CHECK_THAT(rig.plan(address).reasons.at(0), contains("`cni` is none, the spec says calico"));
    rig.apply(address);
    CHECK(rig.host.count("apply -f") == applied + 1);
    CHECK(rig.plan(address).action == Action::none);
  }
  SECTION("undone") {
    rig.undo(address);
    CHECK(disk_without_packages(control_plane(rig).disk) == before);
  }
}

TEST_CASE("k8s-init: resets what kubeadm init left half made") {
  ClusterRig rig;
  fail_at(rig, "kubeadm init");
  rig.failing_apply(address);
  rig.host.before_change = {};
  control_plane(rig).disk.files["/etc/kubernetes/manifests/kube-apiserver.yaml"] = {"", 0600};
  rig.apply(address);
  CHECK(rig.host.count("kubeadm reset --force") == 1);
}

TEST_CASE("k8s-init: never resets a control plane that it did not leave half made") {
  ClusterRig rig;
  rig.apply(address);
  control_plane(rig).disk.state.erase("cluster");  // the API is silent, the files are there
  rig.spec.timeouts.kubeadm = 30;
  CHECK_THAT(rig.failing_apply(address),
             contains("waited 30s for an answer of the Kubernetes API on gpu-control-plane, in vain") &&
                 contains("`gpuplan ssh gpu-control-plane --cluster gpu -- crictl ps -a`") &&
                 contains("`timeouts: {kubeadm: 1m}`"));
  CHECK_FALSE(rig.host.changed("kubeadm reset"));
  rig.undo(address);
  CHECK_FALSE(rig.host.changed("kubeadm reset"));
}

TEST_CASE("k8s-init: undo leaves the guest as it was, from every point") {
  for (const std::string part : {"put /root", "kubeadm init", "remove /root", "kubectl", "nothing"}) {
    INFO(part);
    ClusterRig rig;
    const Json before = disk_without_packages(control_plane(rig).disk);
    fail_at(rig, part);
    if (part == "nothing")
      rig.apply(address);
    else
      rig.failing_apply(address);
    rig.host.before_change = {};
    rig.undo(address);
    CHECK(disk_without_packages(control_plane(rig).disk) == before);
    rig.undo(address);  // again: nothing left to do
    CHECK(disk_without_packages(control_plane(rig).disk) == before);
  }
}

TEST_CASE("k8s-init: undo of a repair leaves the cluster alone") {
  ClusterRig rig;
  rig.apply(address);
  rig.host.cluster()["cni"] = "";
  const Change drift = rig.plan(address);
  CHECK(drift.action == Action::update);
  CHECK(drift.reasons ==
        std::vector<std::string>{"`cni` is none, the spec says calico", "`ready` is false, the spec says true"});
  rig.apply(address);
  rig.undo(address);
  CHECK(rig.host.cluster().at("cni") == "");
  CHECK_FALSE(rig.host.changed("kubeadm reset"));
}

TEST_CASE("k8s-init: without a pod network of ours the API is all that is waited for") {
  ClusterRig rig;
  rig.spec.kubernetes.cni = "none";
  rig.apply(address);
  CHECK_FALSE(rig.host.changed("kubectl"));
  CHECK(rig.observe(address).attributes.text("cni") == "none");
}

TEST_CASE("k8s-init: a guest that cannot be read is no reason to throw") {
  ClusterRig rig;
  SECTION("no VM") {
    control_plane(rig).defined = false;
    const Observation observed = rig.observe(address);
    CHECK_FALSE(observed.exists);
    CHECK(observed.unreadable.empty());
  }
  SECTION("silent") {
    control_plane(rig).silent = true;
    const Observation observed = rig.observe(address);
    CHECK_FALSE(observed.exists);
    CHECK(observed.unreadable ==
          std::vector<std::string>{"gpu-control-plane does not answer a login at 192.168.130.10"});
  }
  SECTION("off, and ours: what is on its disk still is") {
    rig.apply(address);
    control_plane(rig).running = false;
    const Observation observed = rig.observe(address);
    CHECK(observed.exists);
    CHECK(observed.unreadable ==
          std::vector<std::string>{"gpu-control-plane is off; it is taken to be as the last apply left it"});
    CHECK(rig.plan(address).action == Action::none);
    rig.journal.at(address).complete = false;  // a run that made it was cut short: nobody knows how far it came
    CHECK(rig.plan(address).action == Action::create);
  }
}

TEST_CASE("k8s-init: goes with its VM, or by a reset that nothing brings back") {
  ClusterRig rig;
  rig.apply(address);
  const Change with_vm = rig.removal(address, {"vm-define/gpu-control-plane"});
  CHECK_FALSE(with_vm.has_withdraw);
  CHECK(with_vm.reversible());
  CHECK(with_vm.notes == std::vector<std::string>{"goes with its VM"});
  const Change alone = rig.removal(address);
  CHECK(alone.withdraw_is_irreversible);
  CHECK(alone.irreversible ==
        std::vector<std::string>{"everything stored in the cluster is deleted (kubeadm reset)"});
  rig.withdraw(alone);
  CHECK_FALSE(rig.observe(address).exists);
  rig.withdraw(alone);
  CHECK(rig.host.count("kubeadm reset --force") == 1);
}
