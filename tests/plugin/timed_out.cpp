// What is told of a program on a node that ran into its limit.
#include "fake_guest_host.h"
#include "support/catch.h"

using namespace gpuplan;
using namespace gpuplan::test;

namespace {

constexpr const char* init = "k8s-init/gpu-control-plane";
constexpr const char* prepare = "node-prepare/gpu-worker-1";
constexpr const char* join = "worker-join/gpu-worker-1";

// As the port ends what contains `part`.
void hang_at(ClusterRig& rig, const std::string& part) {
  rig.host.before_change = [part](const std::string& text) {
    if (text.find(part) == std::string::npos) return;
    throw HostError(HostError::Kind::timed_out, "gpu-worker-1", "`" + part + "` on gpu-worker-1 was ended after 300 s",
                    "Get:1 http://deb.example.com\nE: Could not connect\n");
  };
}

HostError error_of_apply(ClusterRig& rig, const std::string& address, FakeContext& context) {
  try {
    rig.kind(address.substr(0, address.find('/'))).apply(rig.plan(address), Json(), rig.host, context);
  } catch (const HostError& error) {
    return error;
  }
  FAIL("apply of " << address << " did not fail");
  return HostError(HostError::Kind::failed, address, "it did not fail");
}

}  // namespace

TEST_CASE("a script that runs into its limit: what it did, what it said, where the rest lies and how it gets more time") {
  ClusterRig rig;
  hang_at(rig, "bash -s -- containerd");
  FakeContext context(rig.spec, rig.host);
  const HostError error = error_of_apply(rig, prepare, context);
  CHECK(std::string(error.what()) ==
        "waited 15m for setting up containerd on gpu-worker-1, in vain; it said last: E: Could not connect; `gpuplan logs "
        "gpu-worker-1 --cluster gpu` prints all of its output, which is in logs/gpu-worker-1.log; more time: `timeouts: "
        "{guest_boot: 30m}` in the spec");
  CHECK(error.output_tail() == "Get:1 http://deb.example.com\nE: Could not connect\n");
  CHECK_THAT(context.output_lines.back(), contains("Get:1 http://deb.example.com\nE: Could not connect\n"));
}

TEST_CASE("a program that runs into its limit: where its output lies") {
  ClusterRig rig;
  rig.apply(init);
  rig.apply(prepare);
  hang_at(rig, "kubeadm join");
  FakeContext context(rig.spec, rig.host);
  const HostError error = error_of_apply(rig, join, context);
  CHECK_THAT(error.what(), contains("was ended after 300 s; `gpuplan logs gpu-worker-1 --cluster gpu` prints all of its output"));
  CHECK_THAT(error.output_tail(), contains("Could not connect"));
}

TEST_CASE("a program that prints a secret and runs into its limit: nothing of what it printed") {
  ClusterRig rig;
  rig.apply(init);
  rig.apply(prepare);
  hang_at(rig, "kubeadm token create");
  FakeContext context(rig.spec, rig.host);
  const HostError error = error_of_apply(rig, join, context);
  CHECK(error.kind() == HostError::Kind::timed_out);
  CHECK(error.output_tail().empty());
}
