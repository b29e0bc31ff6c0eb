// The table of versions: its documentation, what is installed, and what a spec outside it is told.
#include "spec/supported_versions.h"

#include <fmt/format.h>

#include <fstream>
#include <sstream>

#include "describe_spec.h"
#include "spec/read_spec.h"
#include "support/catch.h"

namespace gpuplan {
namespace {

std::string shipped_file(const std::string& path) {
  std::ifstream in(std::string(GPUPLAN_SOURCE_DIR) + "/" + path);
  std::ostringstream text;
  text << in.rdbuf();
  REQUIRE_FALSE(text.str().empty());
  return text.str();
}

// What reading a spec with a GPU for a worker says.
std::string said_of(const std::string& rest) {
  Diagnostics diagnostics;
  const std::string text = "gpus: [{pci_address: \"0a:00.0\"}]\nworker_gpu_assignment: {worker-1: [0]}\n" + rest;
  REQUIRE(read_spec(std::make_shared<SourceFile>(SourceFile{"f.yaml", text}), diagnostics));
  return render_all(diagnostics);
}

}  // namespace

TEST_CASE("docs/versions.md has the table, line by line") {
  std::string table;
  for (const SupportedVersions& line : supported_versions()) {
    table += fmt::format("| {} | 1.{} to 1.{} | {} | {} |\n", line.gpu_operator, line.kubernetes_first, line.kubernetes_last,
                         line.driver, line.guest);
  }
  CHECK_THAT(shipped_file("docs/versions.md"), contains("|---|---|---|---|\n" + table + "\n"));
  CHECK_THAT(shipped_file("docs/versions.md"),
             contains(fmt::format("The defaults are GPU Operator {}, Kubernetes {} and Ubuntu 24.04.",
                                  default_gpu_operator_version, KubernetesSpec().version)));
}

TEST_CASE("the driver of the table is the one that is installed") {
  for (const SupportedVersions& line : supported_versions()) {
    CHECK_THAT(shipped_file("scripts/guest/nvidia.sh"), contains(fmt::format("option_branch={} ", line.driver)));
  }
}

TEST_CASE("the defaults, and each version of the table, are taken without a word") {
  CHECK(said_of("").empty());
  for (const SupportedVersions& line : supported_versions()) {
    for (int minor = line.kubernetes_first; minor <= line.kubernetes_last; ++minor) {
      CHECK(said_of(fmt::format("kubernetes: {{version: \"1.{}.2\"}}\ngpu_operator: {{version: v{}.1}}\n", minor,
                                line.gpu_operator)).empty());
    }
  }
}

TEST_CASE("a combination outside the table is warned of, with what is supported") {
  CHECK(said_of("kubernetes: {version: \"1.30\"}\n") ==
        "f.yaml:3:23: warning: Kubernetes 1.30 with GPU Operator 26.3 is not among the supported versions\n"
        "    kubernetes: {version: \"1.30\"}\n"
        "                          ^~~~~~\n"
        "  next: supported are GPU Operator 26.3 with Kubernetes 1.33 to 1.36 on Ubuntu 22.04; GPU Operator 26.3 with "
        "Kubernetes 1.33 to 1.36 on Ubuntu 24.04\n");
  CHECK_THAT(said_of("kubernetes: {version: \"1.37\"}\n"), contains("Kubernetes 1.37 with GPU Operator 26.3"));
  CHECK_THAT(said_of("kubernetes: {version: \"2.34\"}\n"), contains("Kubernetes 2.34"));
  const std::string old = said_of("gpu_operator: {version: 25.10.1}\n");
  CHECK_THAT(old, contains("f.yaml:3:25: warning: Kubernetes 1.34 with GPU Operator 25.10"));
  CHECK_THAT(old, contains("GPU Operator 26.7 with Kubernetes 1.33 to 1.37 on Ubuntu 24.04"));
}

TEST_CASE("a driver outside the table is warned of") {
  CHECK_THAT(said_of("gpu_operator: {values: {driver: {version: 570.86.10}}}\n"),
             contains("warning: driver 570.86.10 with GPU Operator 26.3 is not among the supported versions, whose branch is 580\n"));
  CHECK(said_of("gpu_operator: {values: {driver: {version: 580.95.05}}}\n").empty());
}

TEST_CASE("versions that no packages are published of are warned of") {
  const std::string none = "gpu_operator: {enabled: false}\n";
  CHECK(said_of("kubernetes: {version: \"1.23\"}\n" + none) ==
        "f.yaml:3:23: warning: pkgs.k8s.io has no packages of Kubernetes 1.23: they begin at 1.24\n"
        "    kubernetes: {version: \"1.23\"}\n"
        "                          ^~~~~~\n"
        "  next: use an image that has kubeadm, kubelet and kubectl 1.23, or a newer version\n");
  CHECK(said_of("kubernetes: {version: \"1.24.1\"}\n" + none).empty());
  CHECK(said_of("kubernetes: {version: \"1.23\", enabled: false}\n" + none).empty());
  CHECK(said_of("kubernetes: {version: \"1.23\"}\nmirrors: {packages: {kubernetes: \"https://m.lan\"}}\n" + none).empty());
}

TEST_CASE("an image whose name tells a system outside the table is warned of") {
  const std::string said = said_of("image: {path: /images/debian-12-genericcloud-amd64.qcow2}\n");
  CHECK_THAT(said, contains("f.yaml:3:15: warning: GPU Operator 26.3 with Kubernetes 1.34 is not among the supported versions on "
                            "Debian 12, which the image has by its name\n"));
  CHECK_THAT(said, contains("  next: supported are GPU Operator 26.3 with Kubernetes 1.33 to 1.36 on Ubuntu 22.04; "));
  CHECK(said_of("image: {path: /images/jammy-server-cloudimg-amd64.img}\n").empty());
  CHECK(said_of("image: {path: /noble/own.qcow2}\n").empty());
}

TEST_CASE("an image whose containerd is too old for Kubernetes is warned of, also without GPUs") {
  const std::string image = "image: {path: /images/debian-12-genericcloud-amd64.qcow2}\ngpu_operator: {enabled: false}\n";
  const std::string said = said_of(image + "kubernetes: {version: \"1.36\"}\n");
  CHECK_THAT(said, contains("f.yaml:3:15: warning: Kubernetes 1.36 needs containerd 2, and Debian 12, which the image has by its name, "
                            "has containerd 1.6\n"));
  CHECK_THAT(said, contains("  next: use an image with containerd 2, or kubernetes.version 1.35 or older\n"));
  CHECK(said_of(image + "kubernetes: {version: \"1.35\"}\n").empty());
  CHECK(said_of(image + "kubernetes: {version: \"1.36\", enabled: false}\n").empty());
}

TEST_CASE("the system of a node is read from its os-release") {
  CHECK(system_of_os_release("NAME=\"Ubuntu\"\nVERSION_ID=\"24.04\"\nID=ubuntu\n") == "Ubuntu 24.04");
  CHECK(system_of_os_release("ID=debian\nVERSION_ID=\"12\"\n") == "Debian 12");
  CHECK(system_of_os_release("ID=arch\n") == "Arch");
  CHECK(system_of_os_release("no such file").empty());
}

TEST_CASE("versions matter only where Kubernetes is to have GPUs") {
  const std::string old = "kubernetes: {version: \"1.30\"";
  CHECK(said_of(old + ", enabled: false}\n").empty());
  CHECK(said_of(old + "}\ngpu_operator: {enabled: false}\n").empty());
  Diagnostics diagnostics;
  REQUIRE(read_spec(std::make_shared<SourceFile>(SourceFile{"f.yaml", old + "}\n"}), diagnostics));
  CHECK(diagnostics.items().empty());
}

}  // namespace gpuplan
