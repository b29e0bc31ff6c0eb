#include "guest_world.h"

#include "support/catch.h"

namespace gpuplan::test {

void make_cluster(World& world) {
  world.put(
      "cp", "/root/init.yaml",
      "apiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\nclusterName: gpu\nkubernetesVersion: v1.34.1\n"
      "controlPlaneEndpoint: 10.0.0.10:6443\n");
  const CommandResult init = world.run("cp", "kubeadm init --config /root/init.yaml");
  INFO(init.errors);
  REQUIRE(init.ok());
  REQUIRE(world.run("cp", kubectl + "apply -f " + calico).ok());
  world.time += 60;
}

Json join_configuration(World& world) {
  const CommandResult printed = world.run("cp", "kubeadm token create --ttl 15m --print-join-command");
  REQUIRE(printed.ok());
  std::istringstream words(printed.output);
  std::string program, verb, endpoint, flag, token, hash;
  words >> program >> verb >> endpoint >> flag >> token >> flag >> hash;
  return {{"apiVersion", "kubeadm.k8s.io/v1beta4"},
          {"kind", "JoinConfiguration"},
          {"discovery",
           {{"bootstrapToken", {{"apiServerEndpoint", endpoint}, {"token", token}, {"caCertHashes", {hash}}}}}}};
}

void join(World& world, const std::string& worker) {
  world.put(worker, "/root/join.yaml", to_yaml(join_configuration(world)));
  const CommandResult joined = world.run(worker, "kubeadm join --config /root/join.yaml");
  INFO(joined.errors);
  REQUIRE(joined.ok());
  world.time += 30;
}

}  // namespace gpuplan::test
