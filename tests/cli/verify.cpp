// gpuplan verify, and apply's verification at its end. What fails is really missing on the simulated server.
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <regex>
#include <sstream>

#include "json/json.h"
#include "program.h"
#include "support/catch.h"

using gpuplan::Json;
using gpuplan::parse_json;

namespace {

// Changes the simulated server as it is now, behind gpuplan's back: the first `what` of its model becomes `with`.
void sabotage(const cli::Place& place, const std::string& what, const std::string& with) {
  for (const auto& entry : std::filesystem::directory_iterator(place.state_dir() + "/sim")) {
    if (entry.path().extension() != ".yaml") continue;
    std::string model = cli::read_file(entry.path());
    const std::size_t at = model.find(what);
    REQUIRE(at != std::string::npos);
    std::ofstream(entry.path()) << model.replace(at, what.size(), with);
  }
}

void deactivate_partition(const cli::Place& place) {
  sabotage(place, "    - \"active\": true\n      \"id\": 1\n", "    - \"active\": false\n      \"id\": 1\n");
}

// The state of the first worker's disk gets one more member.
void set_on_worker(const cli::Place& place, const std::string& member) {
  const std::string first = "              \"membership\":";
  sabotage(place, first, "              " + member + "\n" + first);
}

std::string result_of(const Json& document, const std::string& check, const std::string& node) {
  for (const Json& result : document.at("results")) {
    if (result.at("check") == check && result.at("node") == node) {
      return result.at("status").get<std::string>() + ": " + result.at("found").get<std::string>() + " | " +
             result.at("reason").get<std::string>();
    }
  }
  return "no such result";
}

std::string namespaces_of(const cli::Place& place) {
  return place
      .run_sim({"ssh", "control-plane", "--", "kubectl", "--kubeconfig", "/etc/kubernetes/admin.conf", "get",
                "namespaces", "-o", "name"})
      .out;
}

}  // namespace

TEST_CASE("verify passes on what apply made, and leaves nothing behind") {
  const cli::Place place;
  REQUIRE(place.run_sim({"apply", cli::h100_spec, "--yes"}).exit_code == 0);
  const std::string before = namespaces_of(place);
  const cli::Result verified = place.run_sim({"verify"});
  CHECK(verified.exit_code == 0);
  place.expect_golden("verify", verified);
  CHECK(place.run_sim({"verify", cli::h100_spec, "--json"}).exit_code == 0);
  CHECK(namespaces_of(place) == before);
  CHECK(before.find("gpuplan-verify") == std::string::npos);
  CHECK(place.run_sim({"plan", cli::h100_spec, "--detailed-exitcode"}).exit_code == 0);
  CHECK(parse_json(place.run({"history", "--json"}).out, "history --json").at("runs").size() == 1);
}

TEST_CASE("verify tells CUDA error 802 as the NVSwitch partition that it comes from") {
  const cli::Place place;
  REQUIRE(place.run_sim({"apply", cli::h100_spec, "--yes"}).exit_code == 0);
  deactivate_partition(place);
  const cli::Result verified = place.run_sim({"verify"});
  CHECK(verified.exit_code == 1);
  place.expect_golden("verify-no-fabric", verified);
  CHECK(namespaces_of(place).find("gpuplan-verify") == std::string::npos);
}

TEST_CASE("verify names the driver, the registry, and the missing GPU") {
  const cli::Place place;
  REQUIRE(place.run_sim({"apply", cli::h100_spec, "--yes"}).exit_code == 0);
  const auto verify = [&] {
    const cli::Result result = place.run_sim({"verify", "--json"});
    CHECK(result.exit_code == 1);
    return parse_json(result.out, "verify --json");
  };
  SECTION("the driver") {
    set_on_worker(place, "\"driver_missing\": true");
    const Json document = verify();
    CHECK(document.at("passed") == false);
    CHECK_THAT(result_of(document, "gpus", "gpu-worker-1"),
               contains("fail: 0 of 4 | the NVIDIA driver is not loaded in the guest"));
    CHECK_THAT(result_of(document, "one-gpu-pod", "gpu-worker-1"),
               contains("skipped: only 0 of 1 GPUs are allocatable"));
    CHECK_THAT(result_of(document, "one-gpu-pod", "gpu-worker-2"), contains("pass: "));
  }
  SECTION("the registry") {
    set_on_worker(place, "\"unreachable_registries\": [\"nvcr.io\"]");
    CHECK_THAT(result_of(verify(), "one-gpu-pod", "gpu-worker-1"), contains("fail: ImagePullBackOff: "));
  }
  SECTION("the GPU") {
    // The spec wants one more than the VM has.
    std::string spec = cli::read_file(std::string(GPUPLAN_SOURCE_DIR) + "/" + cli::h100_spec);
    const std::string less =
        place.write("less.yaml", std::regex_replace(spec, std::regex("\\[0, 1, 2, 3\\]"), "[0, 1]"));
    REQUIRE(place.run_sim({"apply", less, "--yes"}).exit_code == 0);
    const Json document = parse_json(place.run_sim({"verify", cli::h100_spec, "--json"}).out, "verify --json");
    CHECK_THAT(result_of(document, "gpus", "gpu-worker-1"),
               contains("fail: 2 of 4; nvidia-smi in the guest sees 2 | on the host 0000:3a:00.0 is on the driver nvidia and not on "
                        "vfio-pci, so that no VM can have it"));
  }
}

TEST_CASE("verify needs a cluster, and has it for itself") {
  const cli::Place place;
  CHECK_THAT(place.run_sim({"verify"}).err, contains("there is no cluster in"));
  REQUIRE(place.run_sim({"apply", "specs/minimal.yaml", "--yes"}).exit_code == 0);
  const int lock = open((place.state_dir() + "/clusters/gpu/lock").c_str(), O_RDWR | O_CLOEXEC);
  REQUIRE(lock >= 0);
  REQUIRE(flock(lock, LOCK_EX | LOCK_NB) == 0);
  CHECK(place.run_sim({"verify"}).exit_code == 4);
  close(lock);
  CHECK(place.run_sim({"verify"}).exit_code == 0);
}

TEST_CASE("apply ends with the verification, unless the spec says otherwise") {
  const cli::Place place;
  const std::string spec = cli::read_file(std::string(GPUPLAN_SOURCE_DIR) + "/" + cli::h100_spec);
  const std::string quiet = place.write("quiet.yaml", spec + "\nverify: false\n");
  const cli::Result without = place.run_sim({"apply", quiet, "--yes"});
  CHECK(without.exit_code == 0);
  CHECK_THAT(without.out, !contains("Verifying"));

  // A change of one step; the registry is what fails. The run itself stays a success.
  set_on_worker(place, "\"unreachable_registries\": [\"nvcr.io\"]");
  const std::string edited =
      place.write("edited.yaml", spec + "\ngpu_operator: {values: {daemonsets: {labels: {a: b}}}}\n");
  const cli::Result failed = place.run_sim({"apply", edited, "--yes"});
  CHECK(failed.exit_code == 3);
  place.expect_golden("apply-verification-failed", failed);
  CHECK_THAT(place.run({"status"}).out, contains("succeeded"));
  CHECK_THAT(place.run_sim({"rollback", "--yes"}).out, contains("Nothing to roll back"));
}

TEST_CASE("apply --json tells the verification as an event before run_finished") {
  const cli::Place place;
  const cli::Result result = place.run_sim({"apply", "specs/minimal.yaml", "--yes", "--json"});
  CHECK(result.exit_code == 0);
  std::istringstream lines(result.out);
  std::vector<Json> events;
  for (std::string line; std::getline(lines, line);) events.push_back(parse_json(line, "an event"));
  REQUIRE(events.size() > 2);
  const Json& event = events.at(events.size() - 2);
  CHECK(event.at("type") == "verification_finished");
  CHECK(event.at("passed") == true);
  CHECK(event.at("results").size() > 5);
}

TEST_CASE("a command that a step's error suggests can be typed as it stands") {
  const cli::Place place;
  const std::vector<std::string> apply = {"apply", "specs/minimal.yaml", "--yes", "--state-dir", place.state_dir()};
  REQUIRE(place.run_sim(apply).exit_code == 0);
  set_on_worker(place, "\"driver_missing\": true");
  std::vector<std::string> again = apply;
  again.insert(again.end(), {"--replace", "gpu-operator/gpu-operator", "--json"});
  const std::string events = place.run_sim(again).out;
  std::smatch found;
  REQUIRE(std::regex_search(events, found, std::regex("`gpuplan (ssh gpu-control-plane [^`]*get pods[^`]*)`")));
  CHECK_THAT(found[1], contains("--host sim:" + place.host()) && contains("--state-dir " + place.state_dir() + " -- kubectl"));
  std::istringstream line(found[1]);
  // It gets as far as the node; the kubectl there has no such table.
  CHECK_THAT(place.run({std::istream_iterator<std::string>(line), {}}).err, contains("the simulated kubectl has"));
}
