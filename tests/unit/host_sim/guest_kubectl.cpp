// kubectl on a simulated guest.
#include "guest_world.h"
#include "support/catch.h"

using namespace gpuplan;
using namespace gpuplan::test;

namespace {

Json get(World& world, const std::string& what) {
  const CommandResult result = world.ask("cp", kubectl + "get " + what + " -o json");
  INFO(what << ": " << result.errors);
  REQUIRE(result.ok());
  return Json::parse(result.output);
}

const Json& ready_condition(const Json& node) { return node.at("status").at("conditions").at(0); }

}  // namespace

TEST_CASE("guest kubectl: needs a cluster and its kubeconfig") {
  World world;
  CHECK(world.ask("cp", "kubectl get nodes").errors ==
        "The connection to the server localhost:8080 was refused - did you specify the right host or port?\n");
  CHECK(world.ask("cp", kubectl + "get nodes").errors ==
        "error: stat /etc/kubernetes/admin.conf: no such file or directory\n");
  make_cluster(world);
  CHECK(world.ask("cp", kubectl + "get --raw /readyz").output == "ok");
  CHECK(world.ask("cp", kubectl + "get --raw /frob").exit_status == 1);
}

TEST_CASE("guest kubectl: refuses what kubectl does not know") {
  World world;
  make_cluster(world);
  CHECK(world.ask("cp", kubectl + "frob").errors == "error: unknown command \"frob\" for \"kubectl\"\n");
  CHECK(world.ask("cp", kubectl + "get nodes --frob").errors ==
        "error: unknown flag: --frob\nSee 'kubectl get --help' for usage.\n");
  CHECK(world.ask("cp", kubectl + "get nodes -z").errors ==
        "error: unknown shorthand flag: 'z' in -z\nSee 'kubectl get --help' for usage.\n");
  CHECK(world.ask("cp", kubectl + "get frobs").errors ==
        "error: the server doesn't have a resource type \"frobs\"\n");
  CHECK(world.ask("cp", kubectl + "get node w9").errors == "Error from server (NotFound): nodes \"w9\" not found\n");
  CHECK(world.ask("cp", kubectl + "get node w9 --ignore-not-found -o json").output.empty());
  CHECK(world.ask("cp", kubectl + "get clusterpolicies.nvidia.com").errors ==
        "error: the server doesn't have a resource type \"clusterpolicies.nvidia.com\"\n");
}

TEST_CASE("guest kubectl: nodes are Ready only with a pod network and some patience") {
  World world;
  make_cluster(world);
  world.put("w1", "/root/join.yaml", to_yaml(join_configuration(world)));
  REQUIRE(world.run("w1", "kubeadm join --config /root/join.yaml").ok());
  CHECK(ready_condition(get(world, "node w1")).at("status") == "False");
  world.time += 15;
  CHECK(ready_condition(get(world, "node w1")).at("status") == "True");
  world.cluster()["cni"] = "";
  CHECK_THAT(ready_condition(get(world, "node w1")).at("message").get<std::string>(),
             contains("cni plugin not initialized"));
}

TEST_CASE("guest kubectl: a node is what its guest is") {
  World world;
  make_cluster(world);
  join(world, "w1");
  const Json node = get(world, "node w1");
  CHECK(ready_condition(node).at("status") == "True");
  CHECK(node.at("status").at("addresses").at(0) == Json({{"type", "InternalIP"}, {"address", "10.0.0.21"}}));
  CHECK(get(world, "nodes").at("items").size() == 2);
  SECTION("off") { world.guests.at("w1").running = false; }
  SECTION("with a new disk") { world.guests.at("w1").disk = {}; }
  SECTION("reset") { world.run("w1", "kubeadm reset --force"); }
  CHECK(ready_condition(get(world, "node w1")).at("status") == "Unknown");
  CHECK(ready_condition(get(world, "node w1")).at("message") == "Kubelet stopped posting node status.");
}

TEST_CASE("guest kubectl: cordon, drain, uncordon, delete") {
  World world;
  make_cluster(world);
  join(world, "w1");
  CHECK(world.run("cp", kubectl + "cordon w1").output == "node/w1 cordoned\n");
  CHECK(world.run("cp", kubectl + "cordon w1").output == "node/w1 already cordoned\n");
  CHECK(get(world, "node w1").at("spec").at("unschedulable") == true);
  CHECK_THAT(world.run("cp", kubectl + "drain w1").errors,
             contains("cannot delete DaemonSet-managed Pods (use --ignore-daemonsets to ignore)"));
  CHECK(world.run("cp", kubectl + "drain w1 --ignore-daemonsets --delete-emptydir-data --timeout=60s").ok());
  world.cluster()["nodes"]["w1"]["stuck_pod"] = "train-0";
  const std::string evicting = "error when evicting pods/\"train-0\" -n \"default\"";
  const std::string retry = evicting + " (will retry after 5s): Cannot evict pod as it would violate the pod's disruption budget.\n";
  const std::string given_up = evicting + ": global timeout reached: 10s";
  CHECK(world.run("cp", kubectl + "drain w1 --ignore-daemonsets --timeout=10s").errors ==
        retry + retry + "There are pending pods in node \"w1\" when an error occurred: " + given_up + "\npod/train-0\n" +
            "error: unable to drain node \"w1\" due to error: " + given_up + ", continuing command...\n\n");
  world.cluster()["nodes"]["w1"].erase("stuck_pod");
  CHECK(world.run("cp", kubectl + "uncordon w1").output == "node/w1 uncordoned\n");
  CHECK(world.run("cp", kubectl + "delete node w1").output == "node \"w1\" deleted\n");
  CHECK(world.run("cp", kubectl + "delete node w1").errors ==
        "Error from server (NotFound): nodes \"w1\" not found\n");
  CHECK(world.run("cp", kubectl + "delete node w1 --ignore-not-found").ok());
  CHECK(world.run("cp", kubectl + "cordon w1").errors == "Error from server (NotFound): nodes \"w1\" not found\n");
}

TEST_CASE("guest kubectl: labels") {
  World world;
  make_cluster(world);
  CHECK(world.run("cp", kubectl + "label node cp a=b").output == "node/cp labeled\n");
  CHECK(world.run("cp", kubectl + "label node cp a=b").output == "node/cp not labeled\n");
  CHECK(world.run("cp", kubectl + "label node cp a=c").errors ==
        "error: 'a' already has a value (b), and --overwrite is false\n");
  CHECK(world.run("cp", kubectl + "label node cp a=c --overwrite").ok());
  CHECK(world.run("cp", kubectl + "label node cp a-").ok());
  CHECK_FALSE(get(world, "node cp").at("metadata").at("labels").contains("a"));
  CHECK(world.run("cp", kubectl + "label node cp").exit_status == 1);
}

TEST_CASE("guest kubectl: taints") {
  World world;
  make_cluster(world);
  const auto taints = [&] { return member_at(get(world, "node cp"), "/spec/taints"); };
  CHECK(world.run("cp", kubectl + "taint node cp a=b:NoSchedule c:NoExecute").output == "node/cp tainted\n");
  CHECK(taints() == Json::array({{{"key", "a"}, {"value", "b"}, {"effect", "NoSchedule"}},
                                 {{"key", "c"}, {"effect", "NoExecute"}}}));
  CHECK(world.run("cp", kubectl + "taint node cp a=x:NoSchedule").errors ==
        "error: node cp already has a taint(s) with same effect(s) and --overwrite is false\n");
  CHECK(world.run("cp", kubectl + "taint node cp a=x:NoSchedule c:NoExecute- --overwrite").output == "node/cp modified\n");
  CHECK(taints() == Json::array({{{"key", "a"}, {"value", "x"}, {"effect", "NoSchedule"}}}));
  CHECK(world.run("cp", kubectl + "taint node cp c:NoExecute-").errors == "error: taint \"c:NoExecute\" not found\n");
  CHECK(world.run("cp", kubectl + "taint node cp a=b:Noschedule").errors == "error: invalid taint spec: a=b:Noschedule\n");
  CHECK(world.run("cp", kubectl + "taint node cp a-").output == "node/cp untainted\n");
  CHECK(taints().is_null());
}

TEST_CASE("guest kubectl: only the manifests of pinned releases can be applied") {
  World world;
  make_cluster(world);
  CHECK(get(world, "daemonsets -A").at("items").size() == 2);
  CHECK_THAT(world.run("cp", kubectl + "apply -f https://example.com/x.yaml").errors,
             contains("server reported 404 Not Found, status code=404"));
  CHECK_THAT(
      world
          .run("cp",
               kubectl +
                   "apply -f https://raw.githubusercontent.com/projectcalico/calico/master/manifests/calico.yaml")
          .errors,
      contains("404"));
  CHECK(world.run("cp", kubectl + "apply -f x.yaml").errors == "error: the path \"x.yaml\" does not exist\n");
  const std::string set = kubectl + "-n kube-system set env daemonset/calico-node ";
  CHECK(world.run("cp", set + "A=b").output == "daemonset.apps/calico-node env updated\n");
  CHECK(world.run("cp", set + "A=b").output.empty());
  CHECK_FALSE(world.run("cp", set + "A").ok());
  CHECK_THAT(world.run("cp", kubectl + "set env daemonset/calico-node A=b").errors, contains("NotFound"));  // in no namespace "default"
  CHECK(world.run("cp", kubectl + "delete -f " + calico).ok());
  CHECK_THAT(world.run("cp", set + "A=b").errors, contains("NotFound"));
  CHECK(get(world, "daemonsets -A").at("items").size() == 1);
}

TEST_CASE("guest kubectl: kubeadm-config holds the configuration that kubeadm was given") {
  World world;
  make_cluster(world);
  CHECK_THAT(
      get(world, "configmap kubeadm-config -n kube-system").at("data").at("ClusterConfiguration").get<std::string>(),
      contains("\"kubernetesVersion\": \"v1.34.1\""));
  CHECK(world.ask("cp", kubectl + "get configmap kubeadm-config").errors ==
        "Error from server (NotFound): configmaps \"kubeadm-config\" not found\n");
}

TEST_CASE("guest kubectl: as a query it reads and nothing else") {
  World world;
  make_cluster(world);
  for (const std::string line : {"cordon cp", "drain cp", "delete node cp", "label node cp a=b", "taint node cp a:NoExecute", "apply -f x",
                                 "create namespace x", "uncordon cp"}) {
    INFO(line);
    CHECK_THROWS_AS(world.ask("cp", kubectl + line), HostError);
  }
  CHECK(world.ask("cp", kubectl + "get pods -A").ok());
}
