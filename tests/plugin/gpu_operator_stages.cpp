// The step kind gpu-operator against simulated guests.
#include "fake_guest_host.h"
#include "support/catch.h"

using namespace gpuplan;
using namespace gpuplan::test;

namespace {

const std::string address = "gpu-operator/gpu-operator";
const std::string values_file = "/root/gpuplan-gpu-operator-values.yaml";
const std::string release_key = "gpu-operator/gpu-operator";

void join_all(ClusterRig& rig) {
  rig.apply("k8s-init/gpu-control-plane");
  for (const WorkerSpec& worker : rig.spec.workers) rig.apply("worker-join/" + worker.name);
}

void fail_at(ClusterRig& rig, const std::string& part) {
  rig.host.before_change = [part](const std::string& text) {
    if (text.find(part) != std::string::npos)
      throw HostError(HostError::Kind::failed, text, "injected failure of " + part);
  };
}

Json state(ClusterRig& rig) { return disk_without_packages(rig.host.machines.at("gpu-control-plane").disk); }

Json released(ClusterRig& rig) {
  Json release = rig.host.cluster().at("releases").at(release_key);
  return {{"version", release.at("version")}, {"values", release.at("values")}, {"status", release.at("status")}};
}

}  // namespace

TEST_CASE(
    "defect 11: the GPU Operator is installed by the control plane's provisioning, before any worker exists … it "
    "depends on every join") {
  ClusterRig rig;
  const Resource resource = rig.resource(address);
  CHECK(resource.depends_on == std::vector<Address>{*Address::parse("k8s-init/gpu-control-plane"),
                                                    *Address::parse("worker-join/gpu-worker-1"),
                                                    *Address::parse("worker-join/gpu-worker-2")});
  CHECK(resource.lives_in == std::vector<Address>{Address("k8s-init", "gpu-control-plane")});
}

TEST_CASE("gpu-operator: is there only if it is wanted and somebody has a GPU") {
  ClusterRig rig;
  const StepKind& kind = rig.kind("gpu-operator");
  CHECK(kind.expand(rig.spec).size() == 1);
  rig.spec.gpu_operator.enabled = false;
  CHECK(kind.expand(rig.spec).empty());
  rig.spec.gpu_operator.enabled = true;
  for (WorkerSpec& worker : rig.spec.workers) worker.gpu_indexes.clear();
  CHECK(kind.expand(rig.spec).empty());
}

TEST_CASE("gpu-operator: a GPU that moves between workers changes nothing that is declared") {
  ClusterRig rig;
  rig.apply_all();
  const Attributes before = rig.resource(address).declared;
  give_gpus(rig, 3, 5);
  CHECK(rig.resource(address).declared == before);
  CHECK(rig.plan(address).action == Action::none);
  give_gpus(rig, 0, 8);
  CHECK(rig.resource(address).declared == before);
}

TEST_CASE("gpu-operator: installs the pinned chart with our values, and a second apply has nothing to do") {
  ClusterRig rig;
  join_all(rig);
  unsigned mode = 0;
  rig.host.before_change = [&](const std::string& text) {
    if (text.find("helm upgrade") != std::string::npos)
      mode = rig.host.machines.at("gpu-control-plane").disk.files.at(values_file).mode;
  };
  rig.apply(address);
  CHECK(mode == 0600);
  CHECK(rig.host.changed(
      "helm upgrade --install gpu-operator gpu-operator --repo https://helm.ngc.nvidia.com/nvidia --version v26.3.2 "
      "--values "
      "/root/gpuplan-gpu-operator-values.yaml --kubeconfig /etc/kubernetes/admin.conf --namespace gpu-operator"));
  CHECK(released(rig).at("values") ==
        Json({{"cdi", {{"enabled", true}}}, {"driver", {{"enabled", false}}}, {"toolkit", {{"enabled", false}}}}));
  CHECK(
      rig.host.cluster().at("namespaces").at("gpu-operator").at("labels").at("pod-security.kubernetes.io/enforce") ==
      "privileged");
  CHECK(rig.host.machines.at("gpu-control-plane").disk.files.count(values_file) == 0);
  const std::size_t calls = rig.host.changes.size();
  CHECK(rig.apply(address).action == Action::none);
  CHECK(rig.host.changes.size() == calls);
}

TEST_CASE("gpu-operator: the spec's values win over ours, and a changed one is an update") {
  ClusterRig rig;
  rig.spec.gpu_operator.driver = "operator";
  rig.spec.gpu_operator.values_json = R"({"driver":{"version":"580.126.20"},"toolkit":{"enabled":false}})";
  join_all(rig);
  rig.apply(address);
  CHECK(released(rig).at("values") ==
        Json({{"cdi", {{"enabled", true}}},
              {"driver", {{"enabled", true}, {"kernelModuleType", "auto"}, {"version", "580.126.20"}}},
              {"toolkit", {{"enabled", false}}}}));
  rig.spec.gpu_operator.values_json = R"({"driver":{"version":"580.126.20"}})";
  const Change change = rig.plan(address);
  CHECK(change.action == Action::update);
  REQUIRE(change.attributes.size() == 1);
  CHECK(change.attributes.front().name == "values");
  rig.apply(address);
  CHECK(released(rig).at("values").at("toolkit").at("enabled") == true);
}

TEST_CASE("gpu-operator: whole numbers are as Helm prints them, however the spec has them") {
  ClusterRig rig;
  rig.spec.gpu_operator.values_json = R"({"own":{"whole":[1.0,1e3,-0.0,7],"others":[0.5,1e22,"1.0"]}})";
  CHECK_THAT(rig.resource(address).declared.text("values"),
             contains(R"("own":{"others":[0.5,1e+22,"1.0"],"whole":[1,1000,0,7]})"));
  join_all(rig);
  rig.apply(address);
  CHECK(released(rig).at("values").at("own").at("whole").dump() == "[1,1000,0,7]");
}

TEST_CASE("gpu-operator: versions are written with or without their v") {
  ClusterRig rig;
  CHECK(rig.resource(address).declared.text("version") == "v26.3.2");
  rig.spec.gpu_operator.version = "25.10.0";
  CHECK(rig.resource(address).declared.text("version") == "v25.10.0");
  rig.spec.gpu_operator.version = "v25.10.0";
  CHECK(rig.resource(address).declared.text("version") == "v25.10.0");
}

TEST_CASE("gpu-operator: contradictions are found before anything is planned") {
  ClusterRig rig;
  CHECK(rig.check(address).empty());
  rig.spec.gpu_operator.values_json = R"({"driver":{"enabled":true}})";
  CHECK(text_of(rig.check(address)) ==
        "fail operator-driver: gpu_operator.values sets driver.enabled to true, gpu_operator.driver says "
        "preinstalled\n");
  rig.spec.gpu_operator.values_json = "{}";
  rig.spec.gpu_operator.version = "latest";
  CHECK(text_of(rig.check(address)) ==
        "fail operator-version: gpu_operator.version is `latest`, which is not a chart version\n");
  rig.spec.gpu_operator.version = "";
  rig.spec.kubernetes.cni = "none";
  CHECK_THAT(text_of(rig.check(address)), contains("warn operator-network: kubernetes.cni is none"));
}

TEST_CASE("gpu-operator: somebody else's release is refused") {
  ClusterRig rig;
  join_all(rig);
  rig.apply(address);
  rig.journal.erase(address);
  CHECK(rig.check(address).empty());  // labelled as ours
  rig.host.cluster()["namespaces"]["gpu-operator"]["labels"].erase("gpuplan.io/cluster");
  CHECK_THAT(text_of(rig.check(address)), contains("fail operator-owner: the cluster has a release gpu-operator in "
                                                   "namespace gpu-operator that gpuplan did not install"));
}

TEST_CASE("defect 12: fixed sleeps … the operator is waited for until it is ready, and no longer") {
  ClusterRig rig;
  join_all(rig);
  const std::int64_t began = rig.host.time;
  rig.apply(address);
  CHECK(rig.host.time - began >= 60);  // the simulated pods' own time
  CHECK(rig.host.time - began <= 66);
}

TEST_CASE("defect 15: a timeout is a warning … the operator step fails and names what is missing") {
  ClusterRig rig;
  join_all(rig);
  SECTION("the ClusterPolicy") {
    rig.spec.timeouts.operator_ready = 30;
    CHECK_THAT(rig.failing_apply(address),
               contains("waited 30s for the GPU Operator's ClusterPolicy to become ready, in vain; last seen: its state is "
                        "notReady; `gpuplan ssh gpu-control-plane --cluster gpu -- kubectl"));
  }
  SECTION("GPUs") {
    rig.host.machines.at("gpu-worker-2").gpus = 3;
    CHECK_THAT(rig.failing_apply(address),
               contains("waited 20m for the planned GPUs of every worker to become allocatable, in vain; last seen: "
                        "gpu-worker-2 offers 3 of 4; ") &&
                   contains("more time: `timeouts: {operator: 40m}` in the spec"));
  }
}

TEST_CASE("gpu-operator: an unknown version is Helm's refusal, in its words") {
  ClusterRig rig;
  join_all(rig);
  rig.spec.gpu_operator.version = "27.1.0";
  CHECK_THAT(
      rig.failing_apply(address),
      contains("Error: chart \"gpu-operator\" version \"v27.1.0\" not found in https://helm.ngc.nvidia.com/nvidia repository "
               "(on gpu-control-plane: `helm upgrade --install gpu-operator"));
}

TEST_CASE("gpu-operator: goes on after a run that was cut short anywhere, and undo takes it all back") {
  for (const std::string part :
       {"create namespace", "label namespace", "put /root", "helm upgrade", "remove /root"}) {
    for (const bool undone : {true, false}) {
      INFO(part << (undone ? ", undone" : ", applied again"));
      ClusterRig rig;
      join_all(rig);
      const Json before = state(rig);
      fail_at(rig, part);
      CHECK_THAT(rig.failing_apply(address), contains("injected failure of " + part));
      rig.host.before_change = {};
      if (undone) {
        rig.undo(address);
        CHECK(state(rig) == before);
        rig.undo(address);
        CHECK(state(rig) == before);
      } else {
        rig.apply(address);
        CHECK(rig.host.machines.at("gpu-control-plane").disk.files.count(values_file) == 0);
      }
    }
  }
}

TEST_CASE("gpu-operator: a release that a killed Helm left locked is cleared") {
  ClusterRig rig;
  join_all(rig);
  rig.apply(address);
  Json& release = rig.host.cluster()["releases"][release_key];
  SECTION("in its first installation") {
    release["status"] = "pending-install";
    CHECK(rig.plan(address).action == Action::update);
    rig.apply(address);
    CHECK(rig.host.changed("helm uninstall gpu-operator"));
  }
  SECTION("in its removal") {
    release["status"] = "uninstalling";
    CHECK(rig.plan(address).action == Action::update);
    rig.apply(address);
    CHECK(rig.host.changed("helm uninstall gpu-operator"));
    CHECK_FALSE(rig.host.changed("helm rollback"));
    CHECK(released(rig).at("status") == "deployed");
  }
  SECTION("in an upgrade") {
    release["previous"] = {{"version", "v25.10.0"}, {"values", Json::object()}};
    release["status"] = "pending-upgrade";
    rig.apply(address);
    CHECK(rig.host.changed("helm rollback gpu-operator"));
    CHECK_FALSE(rig.host.changed("helm uninstall"));
  }
}

// tests/helm tries the same command lines with a real Helm.
TEST_CASE("gpu-operator: a release is read with what every Helm 3 and 4 has") {
  ClusterRig rig;
  join_all(rig);
  rig.apply(address);
  rig.host.queries.clear();
  CHECK(rig.plan(address).action == Action::none);
  std::vector<std::string> asked;
  for (const std::string& query : rig.host.queries) {
    if (query.find(": helm ") != std::string::npos) asked.push_back(query);
  }
  const std::string tail = " gpu-operator -o json --kubeconfig /etc/kubernetes/admin.conf --namespace gpu-operator";
  CHECK(asked == std::vector<std::string>{"gpu-control-plane: helm history" + tail, "gpu-control-plane: helm get values" + tail});
}

TEST_CASE("gpu-operator: the newest revision counts, whatever became of it") {
  ClusterRig rig;
  join_all(rig);
  rig.apply(address);
  Json& release = rig.host.cluster()["releases"][release_key];
  release["previous"] = {{"version", "v25.10.0"}, {"values", Json::object()}};
  release["revision"] = 2;
  CHECK(rig.plan(address).action == Action::none);
  SECTION("an upgrade that failed is repeated") {
    release["status"] = "failed";
    CHECK(rig.plan(address).reasons == std::vector<std::string>{"`ready` is false, the spec says true"});
    rig.apply(address);
    CHECK(released(rig).at("status") == "deployed");
    CHECK_FALSE(rig.host.changed("helm rollback"));
    CHECK_FALSE(rig.host.changed("helm uninstall"));
  }
  SECTION("one that was uninstalled with its history kept is none") {
    release["status"] = "uninstalled";
    CHECK_FALSE(rig.observe(address).exists);
  }
  SECTION("of another chart the version is not ours") {
    release["chart"] = "gpu-operator-fork";
    CHECK(rig.plan(address).reasons.front() == "`version` is fork-v26.3.2, the spec says v26.3.2");
  }
}

TEST_CASE("gpu-operator: undo of an update goes back to the version and values of before") {
  ClusterRig rig;
  join_all(rig);
  rig.apply(address);
  const Json before = released(rig);
  rig.spec.gpu_operator.version = "25.10.0";
  rig.spec.gpu_operator.values_json = R"({"mig":{"strategy":"mixed"}})";
  CHECK(rig.apply(address).attributes.size() == 2);
  rig.undo(address);
  CHECK(released(rig) == before);
  const std::size_t calls = rig.host.changes.size();
  rig.undo(address);
  CHECK(rig.host.changes.size() == calls);
}

TEST_CASE("gpu-operator: removal takes the release, its CRDs and the namespace that we made, and can be undone") {
  ClusterRig rig;
  join_all(rig);
  const Json before = state(rig);
  rig.apply(address);
  const Json with = released(rig);
  const Change change = rig.removal(address);
  CHECK(change.has_withdraw);
  CHECK(change.reversible());
  rig.withdraw(change);
  CHECK(state(rig) == before);
  rig.undo(address, Stage::withdraw);
  CHECK(released(rig) == with);
  CHECK(rig.plan(address).action == Action::none);
}

TEST_CASE("gpu-operator: the CRDs stay if the spec says so, but for those of an installation that is taken back") {
  ClusterRig rig;
  join_all(rig);
  rig.spec.gpu_operator.version = "26.7.0";
  rig.spec.gpu_operator.remove_crds = false;
  rig.host.cluster()["crds"] = {"nodefeatures.nfd.k8s-sigs.io", "prometheuses.monitoring.coreos.com"};
  const Json before = state(rig);
  rig.apply(address);
  const Json crds = rig.host.cluster().at("crds");
  CHECK(crds.size() == 9);
  SECTION("a removal") {
    rig.withdraw(rig.removal(address));
    CHECK(rig.host.cluster().at("crds") == crds);
    CHECK(rig.host.cluster().at("releases").empty());
  }
  SECTION("a removal of all of it") {
    rig.spec.gpu_operator.remove_crds = true;
    rig.withdraw(rig.removal(address));
    CHECK(state(rig) == before);
  }
  SECTION("an undo of the installation") {
    rig.undo(address);
    CHECK(state(rig) == before);
  }
}

TEST_CASE("gpu-operator: a namespace that was there before stays, with the label it had") {
  ClusterRig rig;
  join_all(rig);
  rig.host.cluster()["namespaces"]["gpu-operator"] = {
      {"labels", {{"pod-security.kubernetes.io/enforce", "baseline"}, {"team", "ml"}}}};
  const Json before = state(rig);
  rig.apply(address);
  rig.withdraw(rig.removal(address));
  CHECK(state(rig) == before);
}

TEST_CASE("gpu-operator: goes with its cluster") {
  ClusterRig rig;
  rig.apply_all();
  const Change change = rig.removal(address, {"k8s-init/gpu-control-plane"});
  CHECK_FALSE(change.has_withdraw);
  CHECK(change.notes == std::vector<std::string>{"goes with its cluster"});
}

TEST_CASE("gpu-operator: drift of the release and of the namespace's label is seen and put right") {
  ClusterRig rig;
  rig.apply_all();
  SECTION("uninstalled by hand") {
    rig.host.cluster()["releases"] = Json::object();
    CHECK(rig.plan(address).action == Action::create);
  }
  SECTION("values that a killed run left behind") {
    rig.host.machines.at("gpu-control-plane").disk.files[values_file] = {"{}", 0600};
    CHECK(rig.plan(address).reasons == std::vector<std::string>{"`ready` is false, the spec says true"});
  }
  SECTION("another version") {
    rig.host.cluster()["releases"][release_key]["version"] = "v25.3.0";
    CHECK(rig.plan(address).reasons == std::vector<std::string>{"`version` is v25.3.0, the spec says v26.3.2"});
  }
  SECTION("label") {
    rig.host.cluster()["namespaces"]["gpu-operator"]["labels"]["pod-security.kubernetes.io/enforce"] = "restricted";
    CHECK(rig.plan(address).reasons ==
          std::vector<std::string>{"`pod_security` is restricted, the spec says privileged"});
  }
  rig.apply(address);
}

TEST_CASE("gpu-operator: a control plane that cannot be read is no reason to throw") {
  ClusterRig rig;
  rig.apply_all();
  FakeGuest& control_plane = rig.host.machines.at("gpu-control-plane");
  SECTION("silent") {
    control_plane.silent = true;
    CHECK_FALSE(rig.observe(address).exists);
    CHECK(rig.observe(address).unreadable.size() == 1);
  }
  SECTION("off") {
    control_plane.running = false;
    CHECK(rig.plan(address).action == Action::none);
  }
}
