// gpuplan kubeconfig: printed, merged into the user's own, kept for when the control plane is off.
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "json/json.h"
#include "program.h"
#include "support/catch.h"

using gpuplan::Json;
using gpuplan::parse_json;

namespace {

namespace fs = std::filesystem;

// KUBECONFIG for the programs that a test starts.
class OwnKubeconfig {
 public:
  explicit OwnKubeconfig(std::string path) : path_(std::move(path)) {
    setenv("KUBECONFIG", (":" + path_ + ":/no/such/file").c_str(), 1);
  }
  ~OwnKubeconfig() { unsetenv("KUBECONFIG"); }
  OwnKubeconfig(const OwnKubeconfig&) = delete;
  OwnKubeconfig& operator=(const OwnKubeconfig&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

std::string kept(const cli::Place& place) { return place.state_dir() + "/clusters/gpu/kubeconfig"; }

unsigned mode_of(const std::string& path) {
  struct stat info {};
  REQUIRE(stat(path.c_str(), &info) == 0);
  return info.st_mode & 07777U;
}

// The control plane is turned off, behind gpuplan's back.
void turn_off_control_plane(const cli::Place& place) {
  for (const auto& entry : fs::directory_iterator(place.state_dir() + "/sim")) {
    if (entry.path().extension() != ".yaml") continue;
    const std::string model = cli::read_file(entry.path());
    REQUIRE(model.find("\nguest:") == std::string::npos);
    std::ofstream(entry.path()) << model << "guest: {unreachable: [gpu-control-plane]}\n";
  }
}

}  // namespace

TEST_CASE("kubeconfig prints the control plane's file and keeps a copy") {
  const cli::Place place;
  REQUIRE(place.run_sim({"apply", "specs/minimal.yaml", "--yes"}).exit_code == 0);
  CHECK(mode_of(kept(place)) == 0600);
  const std::string after_apply = cli::read_file(kept(place));
  const cli::Result printed = place.run_sim({"kubeconfig"});
  CHECK(printed.exit_code == 0);
  CHECK(printed.out == after_apply);
  place.expect_golden("kubeconfig", printed);

  fs::remove(kept(place));
  CHECK(place.run_sim({"kubeconfig", "specs/minimal.yaml"}).out == after_apply);
  CHECK(mode_of(kept(place)) == 0600);
  const Json document = parse_json(place.run_sim({"kubeconfig", "--json"}).out, "kubeconfig --json");
  CHECK(document.at("text") == after_apply);
  CHECK(document.at("fetched") == true);
}

TEST_CASE("kubeconfig: the kept copy stands in for a control plane that does not answer, with a warning") {
  const cli::Place place;
  REQUIRE(place.run_sim({"apply", "specs/minimal.yaml", "--yes"}).exit_code == 0);
  const std::string before = place.run_sim({"kubeconfig"}).out;
  turn_off_control_plane(place);
  const cli::Result instead = place.run_sim({"kubeconfig"});
  CHECK(instead.exit_code == 0);
  CHECK(instead.out == before);
  CHECK_THAT(instead.err, contains("warning: this is the copy that was kept"));
  CHECK_THAT(instead.err, contains("gpu-control-plane"));
  CHECK(parse_json(place.run_sim({"kubeconfig", "--json"}).out, "kubeconfig --json").at("fetched") == false);

  fs::remove(kept(place));
  const cli::Result nothing = place.run_sim({"kubeconfig"});
  CHECK(nothing.exit_code == 1);
  CHECK(nothing.out.empty());
  place.expect_golden("kubeconfig-unreachable", nothing);
}

TEST_CASE("kubeconfig --merge puts the cluster into the user's own file, and leaves the rest alone") {
  const cli::Place place;
  const OwnKubeconfig own(place.state_dir() + "/../own/config");
  REQUIRE(place.run_sim({"apply", "specs/minimal.yaml", "--yes"}).exit_code == 0);
  place.expect_golden("kubeconfig-merge", place.run_sim({"kubeconfig", "--merge"}));
  CHECK(mode_of(own.path()) == 0600);
  CHECK(mode_of(fs::path(own.path()).parent_path()) == 0700);
  CHECK_THAT(cli::read_file(own.path()), contains("current-context: \"gpu\"\n"));
  const cli::Result again = place.run_sim({"kubeconfig", "--merge"});
  CHECK_THAT(again.out, contains("No changes"));

  // Another context is the current one: it stays, unless it is asked for.
  std::ofstream(own.path()) << "kind: Config\ncontexts:\n- name: prod # mine\n  context: {cluster: prod, user: "
                               "me}\ncurrent-context: prod\n";
  const Json merged = parse_json(place.run_sim({"kubeconfig", "--merge", "--json"}).out, "kubeconfig --merge --json");
  CHECK(merged.at("merged").at("current_context") == "prod");
  CHECK(merged.at("merged").at("context") == "gpu");
  CHECK_FALSE(merged.contains("text"));
  CHECK_THAT(cli::read_file(own.path()), contains("    cluster: prod\n    user: me\n"));
  CHECK_THAT(place.run_sim({"kubeconfig", "--merge", "--use-context"}).out, contains("kubectl get nodes"));
  CHECK_THAT(cli::read_file(own.path()), contains("current-context: \"gpu\"\n"));
  CHECK_FALSE(fs::exists(own.path() + ".lock"));
}

TEST_CASE("kubeconfig --merge refuses somebody else's entry and a file that is being changed") {
  const cli::Place place;
  const std::string theirs = "clusters:\n- name: gpu\n  cluster: {server: https://elsewhere}\n";
  const OwnKubeconfig own(place.write("config", theirs));
  REQUIRE(place.run_sim({"apply", "specs/minimal.yaml", "--yes"}).exit_code == 0);
  const cli::Result refused = place.run_sim({"kubeconfig", "--merge"});
  CHECK(refused.exit_code == 1);
  place.expect_golden("kubeconfig-somebody-elses", refused);
  CHECK(cli::read_file(own.path()) == theirs);

  place.write("config", "");
  place.write("config.lock", "");
  const cli::Result locked = place.run_sim({"kubeconfig", "--merge"});
  CHECK(locked.exit_code == 1);
  CHECK_THAT(locked.err, contains("somebody else is changing"));
  CHECK(cli::read_file(own.path()).empty());
}

TEST_CASE("kubeconfig --merge follows a symlink to the file that it leads to") {
  const cli::Place place;
  const std::string real = place.write("real", "");
  const OwnKubeconfig own(place.state_dir() + "-link");
  REQUIRE(place.run_sim({"apply", "specs/minimal.yaml", "--yes"}).exit_code == 0);
  fs::create_symlink(real, own.path());
  REQUIRE(place.run_sim({"kubeconfig", "--merge"}).exit_code == 0);
  CHECK(fs::is_symlink(own.path()));
  CHECK_THAT(cli::read_file(real), contains("current-context: \"gpu\"\n"));
}

TEST_CASE("destroy takes the kept kubeconfig away, and tells how to get rid of what was merged") {
  const cli::Place place;
  const OwnKubeconfig own(place.write("config", ""));
  REQUIRE(place.run_sim({"apply", "specs/minimal.yaml", "--yes"}).exit_code == 0);
  REQUIRE(place.run_sim({"kubeconfig", "--merge"}).exit_code == 0);
  const std::string merged = cli::read_file(own.path());
  const cli::Result destroyed = place.run_sim({"destroy", "--yes"});
  CHECK(destroyed.exit_code == 0);
  CHECK_FALSE(fs::exists(kept(place)));
  CHECK_THAT(destroyed.err, contains("kubectl config delete-context gpu; kubectl config delete-user gpu"));
  CHECK(cli::read_file(own.path()) == merged);
  CHECK(place.run_sim({"kubeconfig"}).exit_code == 1);
}

TEST_CASE("kubeconfig without a cluster says what is missing") {
  const cli::Place place;
  CHECK_THAT(place.run_sim({"kubeconfig"}).err, contains("there is no cluster in"));
  const cli::Result early = place.run_sim({"kubeconfig", "specs/minimal.yaml"});
  CHECK(early.exit_code == 1);
  CHECK_THAT(early.err, contains("gpuplan apply specs/minimal.yaml"));
  CHECK(place.run_sim({"kubeconfig", "--use-context"}).exit_code == 64);
  const std::string spec = cli::read_file(std::string(GPUPLAN_SOURCE_DIR) + "/specs/minimal.yaml");
  const std::string vms = place.write("vms.yaml", spec + "\nkubernetes: {enabled: false}\n");
  REQUIRE(place.run_sim({"apply", vms, "--yes"}).exit_code == 0);
  CHECK_FALSE(fs::exists(kept(place)));
  CHECK_THAT(place.run_sim({"kubeconfig"}).err, contains("VMs without Kubernetes"));
}
