// kubeadm on a simulated guest.
#include "guest_world.h"
#include "support/catch.h"

using namespace gpuplan;
using namespace gpuplan::test;

namespace {

const std::string hint = "\nTo see the stack trace of this error execute with --v=5 or higher\n";

CommandResult init_with(World& world, const std::string& text) {
  world.put("cp", "/root/init.yaml", text);
  return world.run("cp", "kubeadm init --config /root/init.yaml --skip-token-print");
}

CommandResult join_with(World& world, const Json& configuration) {
  world.put("w1", "/root/join.yaml", to_yaml(configuration));
  return world.run("w1", "kubeadm join --config /root/join.yaml");
}

const std::string cluster_document =
    "apiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\nkubernetesVersion: v1.34.1\n";

}  // namespace

TEST_CASE("guest kubeadm init: makes a control plane on the disk") {
  World world;
  const CommandResult result = init_with(world, cluster_document);
  CHECK(result.exit_status == 0);
  CHECK(result.errors.empty());
  CHECK_THAT(result.output, contains("[init] Using Kubernetes version: v1.34.1"));
  CHECK(result.output.find("--token") == std::string::npos);
  const auto& files = world.guests.at("cp").disk.files;
  CHECK(files.at("/etc/kubernetes/admin.conf").mode == 0600);
  CHECK(files.count("/etc/kubernetes/manifests/kube-apiserver.yaml") == 1);
  CHECK(string_at(world.cluster(), "/ca_hash").size() == 7 + 64);
}

TEST_CASE("guest kubeadm init: refuses a second time and changes nothing") {
  World world;
  init_with(world, cluster_document);
  const Json before = sim::to_json(world.guests.at("cp").disk);
  const CommandResult again = init_with(world, cluster_document);
  CHECK(again.exit_status == 1);
  CHECK_THAT(again.errors, contains("error execution phase preflight: [preflight] Some fatal errors occurred:\n"
                                    "\t[ERROR Port-6443]: Port 6443 is in use\n"
                                    "\t[ERROR FileAvailable--etc-kubernetes-manifests-kube-apiserver.yaml]: "
                                    "/etc/kubernetes/manifests/kube-apiserver.yaml already exists\n"));
  CHECK(sim::to_json(world.guests.at("cp").disk) == before);
}

TEST_CASE("guest kubeadm init: checks its configuration file") {
  World world;
  const auto error = [&](const std::string& text) {
    const CommandResult result = init_with(world, text);
    CHECK(result.exit_status == 1);
    CHECK_FALSE(world.guests.at("cp").disk.state.contains("cluster"));
    return result.errors;
  };
  CHECK_THAT(error("a: ["), contains("yaml: line"));
  CHECK(error("kind: ClusterConfiguration\n") ==
        "invalid configuration: kind and apiVersion is mandatory information that must be specified" + hint);
  CHECK_THAT(error("apiVersion: kubeadm.k8s.io/v1beta2\nkind: ClusterConfiguration\n"),
             contains("your configuration file uses an old API spec: \"kubeadm.k8s.io/v1beta2\""));
  CHECK_THAT(error("apiVersion: kubeadm.k8s.io/v1beta9\nkind: ClusterConfiguration\n"),
             contains("no kind \"ClusterConfiguration\" is registered for version \"kubeadm.k8s.io/v1beta9\""));
  CHECK_THAT(error("apiVersion: kubeadm.k8s.io/v1beta4\nkind: Frob\n"), contains("no kind \"Frob\" is registered"));
  CHECK(error("apiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\nkubernetesVersion: \"1.34\"\n") ==
        "version \"1.34\" doesn't match patterns for neither semantic version nor labels (stable, latest, ...)" +
            hint);
  CHECK_THAT(error("apiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\nkubernetesVersion: v1.36.0\n"),
             contains("this version of kubeadm only supports deploying clusters"));
  CHECK_THAT(error(cluster_document + "---\napiVersion: kubeadm.k8s.io/v1beta4\nkind: InitConfiguration\n"
                                      "nodeRegistration:\n  kubeletExtraArgs:\n    node-labels: a=b\n"),
             contains("json: cannot unmarshal object into Go struct field"));
  CHECK(world.run("cp", "kubeadm init --config /root/none.yaml").errors ==
        "unable to read config from \"/root/none.yaml\" : open /root/none.yaml: no such file or directory" + hint);
}

TEST_CASE("guest kubeadm init: v1beta4 came with kubeadm 1.31") {
  World world;
  world.guests.at("cp").disk.state["kubeadm_version"] = "v1.30.4";
  CHECK_THAT(init_with(world, cluster_document).errors, contains("no kind \"ClusterConfiguration\" is registered"));
  CHECK(
      init_with(world, "apiVersion: kubeadm.k8s.io/v1beta3\nkind: ClusterConfiguration\nkubernetesVersion: v1.30.4\n")
          .ok());
}

TEST_CASE("guest kubeadm init: each version takes the configurations that the real one takes") {
  const auto take = [](const std::string& kubeadm, const std::string& api, const std::string& more = {}) {
    World world;
    world.guests.at("cp").disk.state["kubeadm_version"] = kubeadm;
    return init_with(world, "apiVersion: kubeadm.k8s.io/" + api + "\nkind: ClusterConfiguration\n" + more);
  };
  const std::string systemd = "---\napiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\ncgroupDriver: systemd\n";
  CHECK(take("v1.20.15", "v1beta2", systemd).ok());
  CHECK_THAT(take("v1.21.14", "v1beta2").errors, contains("couldn't initialize a Kubernetes cluster"));
  CHECK_THAT(take("v1.21.14", "v1beta3", systemd).errors, contains("no kind \"ClusterConfiguration\" is registered"));
  CHECK(take("v1.22.17", "v1beta2").ok());
  CHECK(take("v1.22.17", "v1beta3").ok());
  CHECK_THAT(take("v1.22.17", "v1beta1").errors, contains("uses an old API spec: \"kubeadm.k8s.io/v1beta1\""));
  CHECK(take("v1.26.15", "v1beta2").ok());
  CHECK_THAT(take("v1.27.16", "v1beta2").errors, contains("uses an old API spec: \"kubeadm.k8s.io/v1beta2\""));
  CHECK_THAT(take("v1.26.15", "v1beta3", "timeouts: {}\n").errors, contains("unknown field \"timeouts\""));
  World world;
  CHECK_THAT(init_with(world, systemd.substr(4)).errors, contains("no InitConfiguration or ClusterConfiguration kind was found"));
}

TEST_CASE("guest kubeadm init: warns of a field that no version has, as the real one does") {
  World world;
  const CommandResult result = init_with(world, cluster_document + "podSubnet: 10.0.0.0/8\n");
  CHECK(result.ok());
  CHECK_THAT(result.errors, contains("strict decoding error: unknown field \"podSubnet\""));
}

TEST_CASE("guest kubeadm: refuses flags and subcommands that it does not have") {
  World world;
  CHECK(world.run("cp", "kubeadm init --pod-cidr 10.0.0.0/8").errors == "unknown flag: --pod-cidr" + hint);
  CHECK(world.run("cp", "kubeadm init --config").errors == "flag needs an argument: --config" + hint);
  CHECK(world.run("cp", "kubeadm frob").errors == "unknown command \"frob\" for \"kubeadm\"" + hint);
  CHECK(world.run("cp", "kubeadm token frob").exit_status == 1);
  CHECK(world.ask("cp", "kubeadm version -o short").output == "v1.34.2\n");
  CHECK(world.run("cp", "frob").exit_status == 127);
}

TEST_CASE("guest kubeadm: as a query it never changes anything") {
  World world;
  make_cluster(world);
  for (const char* line : {"kubeadm init --config /root/init.yaml", "kubeadm reset --force", "kubeadm token create",
                           "kubeadm join --config /root/x.yaml"}) {
    INFO(line);
    try {
      world.ask("cp", line);
      FAIL("was not refused");
    } catch (const HostError& error) {
      CHECK(error.kind() == HostError::Kind::refused);
      CHECK(error.what() ==
            "the simulated guest cp refuses `" + std::string(line) + "` as a query: it would change something");
    }
  }
}

TEST_CASE("guest kubeadm token: random, and gone when its time is over") {
  World world;
  CHECK_THAT(world.run("cp", "kubeadm token create").errors, contains("failed to load admin kubeconfig"));
  make_cluster(world);
  const std::string first = world.run("cp", "kubeadm token create --ttl 15m").output;
  const std::string second = world.run("cp", "kubeadm token create --ttl 15m0s").output;
  CHECK(first.size() == 6 + 1 + 16 + 1);
  CHECK(first != second);
  CHECK(world.run("cp", "kubeadm token create --ttl 15").exit_status == 1);
  world.time += 15 * 60;
  world.run("cp", "kubeadm token create");
  CHECK_FALSE(world.cluster().at("tokens").contains(first.substr(0, 23)));
  CHECK(world.run("cp", "kubeadm token delete abcdef").exit_status == 1);
}

TEST_CASE("guest kubeadm join: brings a worker in") {
  World world;
  make_cluster(world);
  join(world, "w1");
  CHECK(world.cluster().at("nodes").contains("w1"));
  CHECK(world.guests.at("w1").disk.files.at("/etc/kubernetes/kubelet.conf").mode == 0600);
  CHECK_THAT(
      join_with(world, join_configuration(world)).errors,
      contains("[ERROR FileAvailable--etc-kubernetes-kubelet.conf]: /etc/kubernetes/kubelet.conf already exists"));
}

TEST_CASE("guest kubeadm join: trusts nobody without a good reason") {
  World world;
  make_cluster(world);
  Json good = join_configuration(world);
  Json& discovery = good["discovery"]["bootstrapToken"];
  const std::string prefix = "error execution phase preflight: couldn't validate the identity of the API Server: ";
  SECTION("unknown token") {
    discovery["token"] = "aaaaaa.bbbbbbbbbbbbbbbb";
    CHECK(join_with(world, good).errors ==
          prefix + "could not find a JWS signature in the cluster-info ConfigMap for token ID \"aaaaaa\"" + hint);
  }
  SECTION("expired token") {
    world.time += 15 * 60;
    CHECK_THAT(join_with(world, good).errors, contains("could not find a JWS signature"));
  }
  SECTION("wrong CA") {
    discovery["caCertHashes"] = {"sha256:0000"};
    CHECK(join_with(world, good).errors ==
          prefix + "cluster CA found in cluster-info ConfigMap is invalid: none of the public keys \"" +
              string_at(world.cluster(), "/ca_hash") + "\" are pinned" + hint);
  }
  SECTION("no CA at all") {
    discovery.erase("caCertHashes");
    const CommandResult result = join_with(world, good);
    CHECK(result.exit_status == 3);
    CHECK_THAT(result.errors, contains("using token-based discovery without caCertHashes can be unsafe"));
  }
  SECTION("control plane off") {
    world.guests.at("cp").running = false;
    CHECK_THAT(join_with(world, good).errors, contains("dial tcp 10.0.0.10:6443: connect: no route to host"));
  }
  SECTION("nothing listens") {
    discovery["apiServerEndpoint"] = "10.0.0.22:6443";
    CHECK_THAT(join_with(world, good).errors, contains("dial tcp 10.0.0.22:6443: connect: connection refused"));
  }
  SECTION("the name is taken by a node that is Ready") {
    join(world, "w2");
    good["nodeRegistration"]["name"] = "w2";
    CHECK_THAT(join_with(world, good).errors,
               contains("a Node with name \"w2\" and status \"Ready\" already exists in the cluster."));
  }
  CHECK_FALSE(world.cluster().at("nodes").contains("w1"));
  CHECK_FALSE(world.guests.at("w1").disk.state.contains("membership"));
}

TEST_CASE("guest kubeadm reset: takes away what it made, and nothing else") {
  World world;
  make_cluster(world);
  join(world, "w1");
  world.put("w1", "/etc/hosts", "127.0.0.1 localhost\n");
  CHECK(world.run("w1", "kubeadm reset").exit_status == 1);
  CHECK(world.run("w1", "kubeadm reset --force").ok());
  CHECK(world.run("w1", "kubeadm reset --force").ok());
  CHECK_FALSE(world.guests.at("w1").disk.state.contains("membership"));
  CHECK(world.guests.at("w1").disk.files.count("/etc/hosts") == 1);
  CHECK(world.guests.at("w1").disk.files.count("/etc/kubernetes/kubelet.conf") == 0);
  CHECK(world.cluster().at("nodes").contains("w1"));  // the Node stays until somebody deletes it
}

TEST_CASE("guest disk: survives being stored, with modes and state") {
  World world;
  make_cluster(world);
  const sim::GuestDisk& disk = world.guests.at("cp").disk;
  const sim::GuestDisk copy = sim::guest_disk_from_json(sim::to_json(disk));
  CHECK(copy.state == disk.state);
  CHECK(copy.files.size() == disk.files.size());
  CHECK(copy.files.at("/etc/kubernetes/admin.conf").mode == 0600);
  CHECK(sim::guest_disk_from_json(Json()).files.empty());
}
