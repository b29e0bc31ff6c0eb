// One cluster merged into a user's kubeconfig.
#include "kubeconfig/kubeconfig.h"
#include "support/catch.h"

using namespace gpuplan;

namespace {

const KubeconfigOwner owner{"gpu", "machine-1"};

std::shared_ptr<const SourceFile> file(const std::string& text, const std::string& name = "config") {
  return std::make_shared<const SourceFile>(SourceFile{name, text});
}

// As kubeadm writes it.
std::string admin(const std::string& authority = "Q0E=", const std::string& key = "S0VZ") {
  return "apiVersion: v1\nclusters:\n- cluster:\n    certificate-authority-data: " + authority +
         "\n    server: https://192.168.130.10:6443\n  name: gpu\ncontexts:\n- context:\n    cluster: gpu\n"
         "    user: kubernetes-admin\n  name: kubernetes-admin@gpu\ncurrent-context: kubernetes-admin@gpu\nkind: "
         "Config\n"
         "preferences: {}\nusers:\n- name: kubernetes-admin\n  user:\n    client-certificate-data: Q0VSVA==\n"
         "    client-key-data: " +
         key + "\n";
}

struct Outcome {
  std::optional<MergedKubeconfig> merged;
  std::string problems;
};

Outcome merge(const std::string& own, const std::string& from = admin(), bool use = false,
              const KubeconfigOwner& as = owner) {
  Diagnostics diagnostics;
  Outcome outcome;
  outcome.merged = merge_kubeconfig(file(own), file(from, "admin"), as, use, diagnostics);
  for (const Diagnostic& problem : diagnostics.items()) outcome.problems += render(problem, false);
  CHECK(outcome.merged.has_value() == outcome.problems.empty());
  return outcome;
}

std::string merged_text(const std::string& own, const std::string& from = admin()) {
  const Outcome outcome = merge(own, from);
  INFO(outcome.problems);
  REQUIRE(outcome.merged);
  return outcome.merged->text;
}

const std::string others =
    "apiVersion: v1\nkind: Config\npreferences:\n  colors: true\nclusters:\n- name: prod\n  cluster:\n"
    "    server: \"https://prod:6443\"\n    insecure-skip-tls-verify: true\ncontexts:\n- name: prod\n  context:\n"
    "    cluster: prod\n    user: me\n    namespace: 007\nusers:\n- name: me\n  user:\n    exec:\n      command: "
    "aws\n"
    "      args:\n      - eks\n      - --flag=yes\n      env: null\ncurrent-context: prod\n";

}  // namespace

TEST_CASE("kubeconfig: an empty file becomes one with the cluster alone") {
  const Outcome outcome = merge("");
  REQUIRE(outcome.merged);
  CHECK(outcome.merged->changed);
  CHECK(outcome.merged->current == "gpu");
  CHECK(outcome.merged->text ==
        "apiVersion: \"v1\"\n"
        "kind: \"Config\"\n"
        "clusters:\n"
        "- name: \"gpu\"\n"
        "  cluster:\n"
        "    certificate-authority-data: Q0E=\n"
        "    server: https://192.168.130.10:6443\n"
        "    extensions:\n"
        "    - name: \"gpuplan.io/cluster\"\n"
        "      extension:\n"
        "        cluster: \"gpu\"\n"
        "        host: \"machine-1\"\n"
        "users:\n"
        "- name: \"gpu\"\n"
        "  user:\n"
        "    client-certificate-data: Q0VSVA==\n"
        "    client-key-data: S0VZ\n"
        "    extensions:\n"
        "    - name: \"gpuplan.io/cluster\"\n"
        "      extension:\n"
        "        cluster: \"gpu\"\n"
        "        host: \"machine-1\"\n"
        "contexts:\n"
        "- name: \"gpu\"\n"
        "  context:\n"
        "    cluster: \"gpu\"\n"
        "    user: \"gpu\"\n"
        "    extensions:\n"
        "    - name: \"gpuplan.io/cluster\"\n"
        "      extension:\n"
        "        cluster: \"gpu\"\n"
        "        host: \"machine-1\"\n"
        "current-context: \"gpu\"\n");
}

TEST_CASE("kubeconfig: everything of others stays as it is") {
  const std::string text = merged_text(others);
  for (const char* kept :
       {"preferences:\n  colors: true\n", "    server: \"https://prod:6443\"\n    insecure-skip-tls-verify: true\n",
        "    namespace: 007\n", "      args:\n      - eks\n      - --flag=yes\n      env: null\n",
        "current-context: prod\n"}) {
    CHECK_THAT(text, contains(kept));
  }
  CHECK_THAT(text, contains("- name: \"gpu\"\n"));
  CHECK(merge(others, admin(), true).merged->current == "gpu");
}

TEST_CASE("kubeconfig: a second merge changes nothing, and a new certificate is taken over") {
  const std::string once = merged_text(others);
  const Outcome twice = merge(once);
  REQUIRE(twice.merged);
  CHECK_FALSE(twice.merged->changed);
  CHECK(twice.merged->text == once);
  // The cluster was destroyed and made anew: another authority, the same owner.
  const Outcome anew = merge(once, admin("T1RIRVI=", "TkVX"));
  REQUIRE(anew.merged);
  CHECK(anew.merged->changed);
  CHECK_THAT(anew.merged->text, contains("certificate-authority-data: T1RIRVI="));
  CHECK_THAT(anew.merged->text, contains("client-key-data: TkVX"));
  CHECK_THAT(anew.merged->text, !contains("S0VZ"));
}

TEST_CASE("kubeconfig: what the user has set in our context stays") {
  std::string own = merged_text("");
  const std::string user_line = "    user: \"gpu\"\n";
  own.insert(own.find(user_line) + user_line.size(), "    namespace: training\n");
  CHECK_THAT(merged_text(own, admin("T1RIRVI=")), contains("    namespace: training\n"));
}

TEST_CASE("kubeconfig: entries of that name that others made are refused, all at once") {
  const std::string theirs =
      "clusters:\n- name: gpu\n  cluster: {server: https://elsewhere}\nusers:\n- name: gpu\n  user: {token: t}\n"
      "contexts:\n- name: gpu\n  context: {cluster: gpu, user: gpu}\n";
  const Outcome outcome = merge(theirs);
  CHECK_THAT(outcome.problems, contains("config:2:3: error: the cluster \"gpu\" is there already"));
  CHECK_THAT(outcome.problems, contains("config:5:3: error: the user \"gpu\" is there already"));
  CHECK_THAT(outcome.problems, contains("config:8:3: error: the context \"gpu\" is there already"));
  CHECK_THAT(outcome.problems, contains("kubectl config delete-user gpu"));
}

TEST_CASE("kubeconfig: a cluster of that name on another server is somebody else's, unless it is the same") {
  const std::string own = merged_text("");
  const KubeconfigOwner elsewhere{"gpu", "machine-2"};
  CHECK_THAT(merge(own, admin("T1RIRVI="), false, elsewhere).problems,
             contains("the cluster \"gpu\" is there already"));
  // kubeadm's file, merged by hand: its cluster has our name and our authority.
  CHECK_THAT(merged_text(admin()), contains("- name: \"gpu\"\n  user:\n"));
}

TEST_CASE("kubeconfig: what is no kubeconfig is left alone") {
  for (const auto& [own, expected] : std::vector<std::pair<std::string, std::string>>{
           {"- a\n", "it has a list where a mapping belongs"},
           {"kind: Pod\n", "its kind is not Config"},
           {"clusters: {a: b}\n", "clusters is not a list"},
           {"users: [text]\n", "an item of users is not a mapping"},
           {"contexts: [{name: x, context: text}]\n", "an item of contexts is not a mapping"},
           {"a: &x 1\nb: *x\n", "config:"},
           {"a: [\n", "config:"},
       }) {
    INFO(own);
    CHECK_THAT(merge(own).problems, contains(expected));
  }
}

TEST_CASE("kubeconfig: an admin file without a usable context is told as such") {
  for (const char* from :
       {"", "kind: Config\n",
        "kind: Config\ncurrent-context: x\ncontexts:\n- name: x\n  context: {cluster: a, user: b}\n"}) {
    CHECK_THAT(merge("", from).problems, contains("admin has no current context with a cluster and a user"));
  }
}

TEST_CASE("kubeconfig: entries of ours are found again") {
  const std::string own = merged_text(others);
  CHECK(has_entries_of(file(own), owner));
  CHECK_FALSE(has_entries_of(file(own), {"gpu", "machine-2"}));
  CHECK_FALSE(has_entries_of(file(others), owner));
  CHECK_FALSE(has_entries_of(file("["), owner));
  CHECK_FALSE(has_entries_of(file(""), owner));
}
