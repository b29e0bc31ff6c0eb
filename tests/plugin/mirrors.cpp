// Mirrors and certificates on simulated guests: set up before anything is fetched, changed in place, taken back.
#include <algorithm>
#include <regex>
#include <set>

#include "digest/digest.h"
#include "fake_guest_host.h"
#include "support/catch.h"
#include "support/hosts_in.h"

using namespace gpuplan;
using namespace gpuplan::test;

namespace {

const std::string prepare_control_plane = "node-prepare/gpu-control-plane";
const std::string prepare_1 = "node-prepare/gpu-worker-1";
const std::string chart = "gpu-operator/gpu-operator";
const std::string certificate_file = "/var/lib/gpuplan/mirrors/ca_certificates.lan";

SpecFile file(const std::string& path, const std::string& content) {
  return {path, content, sha256_hex(content), {}};
}

// A spec that has a mirror of everything.
void mirror_all(Spec& spec) {
  spec.mirrors.packages = {{"ubuntu", "https://mirror.lan/ubuntu"},
                           {"kubernetes", "https://mirror.lan/kubernetes"},
                           {"nvidia", "https://mirror.lan/nvidia"}};
  spec.mirrors.keys = {{"kubernetes", file("keys/k8s.asc", "a key\n")}};
  spec.mirrors.registries = {{"registry.k8s.io", "https://registry.lan/v2/k8s"},
                             {"quay.io", "https://registry.lan/v2/quay"},
                             {"nvcr.io", "https://registry.lan/v2/nvcr"}};
  spec.mirrors.charts = {{"gpu-operator", "https://charts.lan/nvidia"}};
  spec.mirrors.manifests = {{"calico", "https://mirror.lan/calico.yaml"}};
  spec.mirrors.helm = "https://mirror.lan/helm";
  spec.mirrors.time = {"ntp.lan"};
  spec.ca_certificates = {file("certs/lan.pem", "a certificate\n")};
}

using Texts = std::vector<std::string>;

Json entries(ClusterRig& rig, const std::string& node) {
  return rig.host.machines.at(node).disk.state.value("mirrors", Json::array());
}

Json disk(ClusterRig& rig, const std::string& node) { return disk_without_packages(rig.host.machines.at(node).disk); }

// A script's text without its comments.
std::string code_of(const std::string& script) {
  std::string out;
  std::istringstream lines(script);
  for (std::string line; std::getline(lines, line);) {
    if (line.find_first_not_of(' ') != line.find('#')) out += line + "\n";
  }
  return out;
}

// The options of a script whose default is a URL: "repository" of option_repository=https://….
std::set<std::string> options_with_urls(const std::string& code) {
  static const std::regex option("option_([a-z_]+)=https?://");
  std::set<std::string> out;
  for (auto found = std::sregex_iterator(code.begin(), code.end(), option); found != std::sregex_iterator(); ++found)
    out.insert((*found)[1]);
  return out;
}

}  // namespace

TEST_CASE("mirrors: with a mirror of everything no other host is named to any guest") {
  ClusterRig rig;
  mirror_all(rig.spec);
  rig.apply_all();
  std::set<std::string> named, overridden;
  for (const Command& command : rig.host.commands) {
    named.merge(hosts_in(join_argv(command.argv)));
    if (command.argv.front() != "bash") {
      named.merge(hosts_in(command.standard_input));
      continue;
    }
    if (std::find(command.argv.begin(), command.argv.end(), "--check") != command.argv.end()) continue;  // fetches nothing
    // A script has defaults in it. Each is given another value, and it has no further URL.
    const std::string code = code_of(command.standard_input);
    const std::set<std::string> options = options_with_urls(code);
    for (const std::string& option : options) {
      INFO(join_argv(command.argv));
      CHECK(std::find(command.argv.begin(), command.argv.end(), "--" + option) != command.argv.end());
      overridden.insert(command.argv.at(3));
    }
    CHECK(hosts_in(code).size() == options.size());
  }
  for (const auto& [path, content] : rig.host.put_files) named.merge(hosts_in(content));
  CHECK(named == std::set<std::string>{"mirror.lan", "registry.lan", "charts.lan"});
  CHECK(overridden == std::set<std::string>{"kubernetes", "nvidia", "helm"});
}

TEST_CASE("mirrors: without any, the published places are named, and no guest is asked about mirrors") {
  ClusterRig rig;
  rig.apply_all();
  std::string all;
  for (const Command& command : rig.host.commands) all += join_argv(command.argv) + "\n";
  CHECK(hosts_in(all) == std::set<std::string>{"raw.githubusercontent.com", "helm.ngc.nvidia.com"});
  CHECK_THAT(all, !contains("bash -s -- mirrors"));
}

TEST_CASE("mirrors: each node has its own, before anything is installed on it") {
  ClusterRig rig;
  mirror_all(rig.spec);
  rig.apply_all();
  const Json on_worker = entries(rig, "gpu-worker-1");
  CHECK(on_worker ==
        Json({"ca_certificates.lan=sha256:" + sha256_hex("a certificate\n"),
              "keys.kubernetes=sha256:" + sha256_hex("a key\n"), "packages.kubernetes=https://mirror.lan/kubernetes",
              "packages.nvidia=https://mirror.lan/nvidia", "packages.ubuntu=https://mirror.lan/ubuntu",
              "registries.nvcr.io=https://registry.lan/v2/nvcr", "registries.quay.io=https://registry.lan/v2/quay",
              "registries.registry.k8s.io=https://registry.lan/v2/k8s", "time=ntp.lan"}));
  CHECK_THAT(entries(rig, "gpu-control-plane").dump(), !contains("packages.nvidia"));
  CHECK(rig.host.machines.at("gpu-worker-1").disk.files.at(certificate_file).content == "a certificate\n");
  const auto first = std::find_if(rig.host.changes.begin(), rig.host.changes.end(),
                                  [](const std::string& text) { return text.find("bash -s") != std::string::npos; });
  REQUIRE(first != rig.host.changes.end());
  CHECK_THAT(*first, contains("bash -s -- mirrors --kubernetes 1.34 --entries "));
}

TEST_CASE("mirrors: a changed one is an update in place, and so is a certificate; what was renounced goes") {
  ClusterRig rig;
  mirror_all(rig.spec);
  rig.apply_all();
  rig.host.changes.clear();
  rig.spec.mirrors.registries["quay.io"] = "https://other.lan/v2/quay";
  Change change = rig.plan(prepare_1);
  CHECK(change.action == Action::update);
  REQUIRE(change.attributes.size() == 1);
  CHECK(change.attributes.front().name == "mirrors");
  rig.apply(prepare_1);
  CHECK_THAT(entries(rig, "gpu-worker-1").dump(), contains("registries.quay.io=https://other.lan/v2/quay"));
  CHECK_FALSE(rig.host.changed("kubeadm"));

  rig.spec.ca_certificates = {file("lan.pem", "another certificate\n")};
  change = rig.apply(prepare_control_plane);
  CHECK(std::any_of(change.attributes.begin(), change.attributes.end(),
                    [](const AttributeChange& attribute) { return attribute.name == "ca_certificates"; }));
  CHECK(rig.host.machines.at("gpu-control-plane").disk.files.at(certificate_file).content == "another certificate\n");
  CHECK_FALSE(rig.host.changed("kubeadm"));

  rig.spec.mirrors = {};
  rig.spec.ca_certificates.clear();
  change = rig.apply(prepare_1);
  CHECK(change.action == Action::update);
  CHECK(entries(rig, "gpu-worker-1").empty());
  CHECK(rig.host.machines.at("gpu-worker-1").disk.files.count(certificate_file) == 0);
  CHECK(rig.apply(prepare_1).action == Action::none);
}

TEST_CASE("mirrors: what somebody changed on a node is noticed and put right") {
  ClusterRig rig;
  mirror_all(rig.spec);
  rig.apply_all();
  Json& there = rig.host.machines.at("gpu-worker-1").disk.state["mirrors"];
  there.erase(there.size() - 1);
  CHECK(rig.plan(prepare_1).action == Action::update);
  rig.apply(prepare_1);
  CHECK(entries(rig, "gpu-worker-1").back() == "time=ntp.lan");
}

TEST_CASE("mirrors: those of a node that was not prepared to its end are taken back, and a removal takes them along") {
  ClusterRig rig;
  const Json untouched = disk(rig, "gpu-worker-1");
  mirror_all(rig.spec);
  rig.host.before_change = [](const std::string& text) {
    if (text.find("bash -s -- kubernetes") != std::string::npos) throw HostError(HostError::Kind::failed, text, "injected");
  };
  rig.failing_apply(prepare_1);
  rig.host.before_change = nullptr;
  CHECK_FALSE(entries(rig, "gpu-worker-1").empty());
  rig.undo(prepare_1);
  CHECK(disk(rig, "gpu-worker-1") == untouched);

  rig.journal.erase(prepare_1);
  rig.apply(prepare_1);
  const Json prepared = disk(rig, "gpu-worker-1");
  rig.spec.ca_certificates = {file("lan.pem", "another certificate\n")};
  rig.spec.mirrors.time = {"other.lan"};
  rig.apply(prepare_1);
  CHECK(disk(rig, "gpu-worker-1") != prepared);
  rig.undo(prepare_1);
  CHECK(disk(rig, "gpu-worker-1") == prepared);

  const Change removal = rig.removal(prepare_1);
  CHECK(removal.notes == Texts{"what is installed on gpu-worker-1 stays there"});
  rig.withdraw(removal);
  CHECK(disk(rig, "gpu-worker-1") == untouched);
  rig.undo(prepare_1, Stage::withdraw);
  CHECK(disk(rig, "gpu-worker-1") == prepared);
}

TEST_CASE("mirrors: a file that does not arrive as it is in the spec fails the step") {
  ClusterRig rig;
  mirror_all(rig.spec);
  rig.spec.ca_certificates.front().content += "cut";
  CHECK_THAT(rig.failing_apply(prepare_control_plane), contains("setting up mirrors on gpu-control-plane failed: " + certificate_file +
                                               " is not the file that the entry ca_certificates.lan is about"));
}

TEST_CASE("mirrors: the chart comes from a repository or a registry, and a new place alone installs nothing") {
  ClusterRig rig;
  mirror_all(rig.spec);
  rig.apply_all();
  CHECK(rig.host.changed(
      "helm upgrade --install gpu-operator gpu-operator --repo https://charts.lan/nvidia --version v26.3.2"));
  CHECK(rig.host.changed("bash -s -- helm --repository https://mirror.lan/helm"));
  CHECK(
      rig.host.changed("kubectl --kubeconfig /etc/kubernetes/admin.conf --request-timeout=20s apply -f "
                       "https://mirror.lan/calico.yaml"));
  rig.host.changes.clear();
  rig.spec.mirrors.charts["gpu-operator"] = "oci://registry.lan/charts";
  CHECK(rig.apply(chart).action == Action::update);
  CHECK_FALSE(rig.host.changed("helm upgrade"));
  rig.spec.gpu_operator.version = "v25.10.0";
  rig.apply(chart);
  CHECK(rig.host.changed(
      "helm upgrade --install gpu-operator oci://registry.lan/charts/gpu-operator --version v25.10.0"));
}
