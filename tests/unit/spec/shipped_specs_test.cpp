// The specs that are shipped, and locate().
#include <filesystem>

#include "describe_spec.h"
#include "spec/read_spec.h"
#include "support/catch.h"

namespace gpuplan {
namespace {

Spec read(const std::string& text) {
  Diagnostics diagnostics;
  auto spec = read_spec(std::make_shared<SourceFile>(SourceFile{"f.yaml", text}), diagnostics);
  INFO(render_all(diagnostics));
  REQUIRE(spec);
  return *spec;
}

Spec shipped(const std::string& name) {
  Diagnostics diagnostics;
  auto spec = read_spec_file(std::string(GPUPLAN_SOURCE_DIR) + "/specs/" + name, diagnostics);
  INFO(render_all(diagnostics));
  REQUIRE(spec);
  CHECK(diagnostics.items().empty());
  return *spec;
}

std::string place(const SourceLocation& where) {
  return std::to_string(where.line) + ":" + std::to_string(where.column);
}

// The lines of a described spec from the control plane on, without the places of the workers.
std::string without_places(const Spec& spec) {
  std::string text = describe_spec(spec);
  text.erase(0, text.find("control plane"));
  for (std::size_t at = text.find(" at "); at != std::string::npos; at = text.find(" at ", at)) {
    text.erase(at, text.find('\n', at) - at);
  }
  return text;
}

}  // namespace

TEST_CASE("every shipped spec is valid without a warning") {
  std::size_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(std::string(GPUPLAN_SOURCE_DIR) + "/specs")) {
    if (entry.path().extension() != ".yaml") continue;
    shipped(entry.path().filename().string());
    ++count;
  }
  CHECK(count >= 4);
}

TEST_CASE("the file of today's users is a complete spec") {
  const Spec spec = shipped("h100-8gpu.yaml");
  REQUIRE(spec.gpus.size() == 8);
  CHECK(spec.gpus[7].address.to_string() == "0000:c2:00.0");
  REQUIRE(spec.workers.size() == 2);
  CHECK(spec.workers[0].name == "gpu-worker-1");
  CHECK(spec.workers[0].address == "192.168.130.21");
  CHECK(spec.workers[1].gpu_indexes == std::vector<std::size_t>{4, 5, 6, 7});
  CHECK(spec.workers[1].resources.memory_mib == 204800);
  CHECK(spec.workers[1].resources.firmware == "efi");
  CHECK(spec.control_plane.name == "gpu-control-plane");
  CHECK(spec.control_plane.address == "192.168.130.10");
  CHECK(spec.control_plane.resources.memory_mib == 16384);
  CHECK(spec.gpu_device_ids.at(0).to_string() == "10de:2330");
  CHECK(spec.sha256.size() == 64);
}

TEST_CASE("full.yaml writes out the defaults") {
  const Spec defaults = read(
      "gpus:\n"
      "  - pci_address: 0a:00.0\n"
      "  - pci_address: 18:00.0\n"
      "  - pci_address: 3a:00.0\n"
      "worker_gpu_assignment: {worker-1: [0, 1], worker-2: [2]}\n"
      "nodes: {worker-2: {labels: {tier: training}, taints: [{key: nvidia.com/gpu, effect: NoSchedule}]}}\n"
      "vm_resources: {workers: {worker-2: {memory: 131072}}}\n");
  CHECK(without_places(shipped("full.yaml")) == without_places(defaults));
}

TEST_CASE("a spec without any key of a section has the same defaults as a default-made one") {
  const Spec spec = read("cluster: gpu\n");
  CHECK(spec.host.libvirt_uri == HostSpec().libvirt_uri);
  CHECK(spec.network.cidr == NetworkSpec().cidr);
  CHECK(spec.kubernetes.version == KubernetesSpec().version);
  CHECK(spec.gpu_operator.values_json == GpuOperatorSpec().values_json);
  CHECK(spec.timeouts.operator_ready == Timeouts().operator_ready);
  CHECK(spec.image.url == "https://cloud-images.ubuntu.com/noble/current/noble-server-cloudimg-amd64.img");
}

TEST_CASE("locate finds values, sections and list items") {
  const Spec spec = read(
      "gpus:\n"
      "  - pci_address: 0a:00.0\n"
      "  - {pci_address: 18:00.0}\n"
      "worker_gpu_assignment:\n"
      "  worker-1: [0, 1]\n"
      "network: {cidr: 10.1.0.0/24}\n");
  CHECK(place(locate(spec, "network.cidr")) == "6:17");
  CHECK(place(locate(spec, "network")) == "6:1");
  CHECK(place(locate(spec, "gpus[1].pci_address")) == "3:19");
  CHECK(place(locate(spec, "gpus[0]")) == "2:5");
  CHECK(place(locate(spec, "worker_gpu_assignment.worker-1[1]")) == "5:17");
  CHECK(locate(spec, "network.cidr").to_string() == "f.yaml:6:17");
}

TEST_CASE("locate answers with the document where there is nothing to find") {
  const Spec spec = read("gpus: []\n");
  for (const char* path : {"", "network.cidr", "gpus[0]", "gpus[", "gpus[x]", "gpus[99999999999999999999]", ".",
                           "gpus.x", "..", "[0]"}) {
    INFO(path);
    CHECK(locate(spec, path).to_string() == "f.yaml:1:1");
  }
  CHECK(locate(Spec(), "gpus").to_string() == "?:1:1");
}

TEST_CASE("a removed worker moves nobody whose name has a number") {
  const Spec before = read("worker_gpu_assignment: {worker-1: [], worker-2: [], worker-3: []}\n");
  const Spec after = read("worker_gpu_assignment: {worker-3: [], worker-1: []}\n");
  CHECK(before.workers[0].address == after.workers[1].address);
  CHECK(before.workers[2].address == after.workers[0].address);
}

TEST_CASE("a missing spec is said with its path") {
  Diagnostics diagnostics;
  CHECK_FALSE(read_spec_file("/nonexistent/spec.yaml", diagnostics));
  CHECK(render_all(diagnostics) == "error: /nonexistent/spec.yaml: there is no such file\n  next: check the path\n");
}

}  // namespace gpuplan
