// Verbs that change the server: apply, rollback, destroy, and what tells of them.
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <regex>
#include <sstream>

#include "json/json.h"
#include "program.h"
#include "support/catch.h"

using gpuplan::Json;
using gpuplan::parse_json;

namespace {

// Every line of a stream of events; each must be JSON with format_version and type.
std::vector<Json> events_of(const cli::Result& result) {
  std::vector<Json> events;
  std::istringstream lines(result.out);
  for (std::string line; std::getline(lines, line);) {
    events.push_back(parse_json(line, "an event"));
    CHECK(events.back().at("format_version") == 1);
    CHECK(events.back().at("type").is_string());
  }
  REQUIRE(!events.empty());
  CHECK(events.back().at("type") == "run_finished");
  CHECK(events.back().at("exit_code") == result.exit_code);
  return events;
}

std::string next_to_last_line(const std::string& text) {
  const std::size_t end = text.rfind('\n', text.size() - 2);
  return text.substr(end + 1);
}

// The lines of a model that say which files the guests have, and what is in them.
std::vector<std::string> guest_files(const std::string& model) {
  std::vector<std::string> out;
  std::istringstream lines(model);
  for (std::string line; std::getline(lines, line);) {
    const bool is_file = line.find("\"/etc/") != std::string::npos || line.find("\"/root/") != std::string::npos;
    if (is_file || line.find("\"content\":") != std::string::npos) out.push_back(line);
  }
  return out;
}

constexpr const char* failing_step = "vfio-bind/0000:3a:00.0:fail";

}  // namespace

TEST_CASE("apply asks nobody without a terminal") {
  const cli::Place place;
  const cli::Result result = place.run_sim({"apply", cli::h100_spec});
  CHECK(result.exit_code == 1);
  CHECK_THAT(result.err, contains("--yes"));
  CHECK_THAT(place.run({"status"}).out, contains("There is no cluster"));
}

TEST_CASE("apply makes what the spec declares, and then has nothing to do") {
  const cli::Place place;
  const cli::Result first = place.run_sim({"apply", cli::h100_spec, "--yes"});
  CHECK(first.exit_code == 0);
  CHECK(first.err.empty());
  place.expect_golden("apply", first);
  CHECK_THAT(next_to_last_line(first.out), contains("Next: "));

  const cli::Result second = place.run_sim({"apply", cli::h100_spec, "--yes"});
  CHECK(second.exit_code == 0);
  CHECK(second.out == "No changes. Cluster gpu is as specs/h100-8gpu.yaml declares it.\n");
  const Json history = parse_json(place.run({"history", "--json"}).out, "history --json");
  CHECK(history.at("runs").size() == 1);

  place.expect_golden("status", place.run({"status"}));
  place.expect_golden("history", place.run({"history"}));
  place.expect_golden("show", place.run({"show"}));
  CHECK(place.run({"show", "7"}).exit_code == 1);
  place.expect_golden("show-no-such-run", place.run({"show", "7"}));
}

TEST_CASE("defect 10: re-running appends to files every time … a second run leaves every file of every guest as it is") {
  const cli::Place place;
  REQUIRE(place.run_sim({"apply", cli::h100_spec, "--yes"}).exit_code == 0);
  const std::string model = cli::read_file(place.current_model());
  // Run through the steps once more, not just past them: the operator's change makes the run a real one.
  const std::string edited = place.write(
      "edited.yaml", cli::read_file(std::string(GPUPLAN_SOURCE_DIR) + "/" + cli::h100_spec) +
                         "\ngpu_operator: {values: {daemonsets: {labels: {a: b}}}}\n");
  REQUIRE(place.run_sim({"apply", edited, "--yes"}).exit_code == 0);
  REQUIRE(place.run_sim({"apply", cli::h100_spec, "--yes"}).exit_code == 0);
  CHECK(guest_files(model).size() > 10);
  CHECK(guest_files(cli::read_file(place.current_model())) == guest_files(model));
}

TEST_CASE("removing a worker gives its GPUs back and leaves the others alone") {
  const cli::Place place;
  REQUIRE(place.run_sim({"apply", cli::h100_spec, "--yes"}).exit_code == 0);
  std::string spec = cli::read_file(std::string(GPUPLAN_SOURCE_DIR) + "/" + cli::h100_spec);
  const std::size_t line = spec.find("  worker-2: [4, 5, 6, 7]");
  REQUIRE(line != std::string::npos);
  spec.erase(line, spec.find('\n', line) + 1 - line);
  const std::string smaller = place.write("smaller.yaml", spec);
  const Json plan = parse_json(place.run_sim({"plan", smaller, "--json"}).out, "plan --json");
  CHECK(plan.at("summary").at("remove") == 7);
  CHECK(plan.at("summary").at("none") == 12);
  REQUIRE(place.run_sim({"apply", smaller, "--yes"}).exit_code == 0);
  CHECK(place.run_sim({"plan", smaller, "--detailed-exitcode"}).exit_code == 0);
}

TEST_CASE("a fault that never struck is told") {
  const cli::Place place;
  const cli::Result result = place.run_sim({"apply", cli::h100_spec, "--yes", "--fault", "vm-define/nobody:fail"});
  CHECK(result.exit_code == 0);
  CHECK_THAT(result.err, contains("the fault at vm-define/nobody never struck"));
}

TEST_CASE("state is kept for its user alone") {
  const cli::Place place;
  REQUIRE(place.run_sim({"apply", cli::h100_spec, "--yes"}).exit_code == 0);
  for (const char* path : {"", "/clusters", "/clusters/gpu", "/clusters/gpu/journal.db", "/clusters/gpu/lock", "/sim"}) {
    struct stat info {};
    INFO(path);
    REQUIRE(stat((place.state_dir() + path).c_str(), &info) == 0);
    CHECK((info.st_mode & 077U) == 0);
  }
}

TEST_CASE("a failed step stops its dependents, and rollback restores the server") {
  const cli::Place place;
  const cli::Result failed = place.run_sim({"apply", cli::h100_spec, "--yes", "--fault", failing_step});
  CHECK(failed.exit_code == 3);
  place.expect_golden("apply-failed", failed);
  CHECK_THAT(next_to_last_line(failed.out), contains("gpuplan rollback --cluster gpu --host sim:"));
  place.expect_golden("status-failed", place.run({"status"}));

  const cli::Result undone = place.run_sim({"rollback", "--yes"});
  CHECK(undone.exit_code == 0);
  CHECK_THAT(undone.out, contains("resources are as they were before run 1."));
  place.expect_golden("rollback", undone);

  const cli::Result again = place.run_sim({"rollback", "--yes"});
  CHECK(again.exit_code == 0);
  CHECK_THAT(again.out, contains("Nothing to roll back"));
  CHECK(place.run_sim({"plan", cli::h100_spec, "--detailed-exitcode"}).exit_code == 2);
}

TEST_CASE("apply goes on where a failed run stopped") {
  const cli::Place place;
  REQUIRE(place.run_sim({"apply", cli::h100_spec, "--yes", "--fault", failing_step}).exit_code == 3);
  REQUIRE(place.run_sim({"apply", cli::h100_spec, "--yes"}).exit_code == 0);
  CHECK(place.run_sim({"plan", cli::h100_spec, "--detailed-exitcode"}).exit_code == 0);
  CHECK_THAT(place.run_sim({"rollback", "--yes"}).out, contains("Nothing to roll back"));
}

TEST_CASE("a guest that had not answered when its run ended is waited for by the next, not taken to be done") {
  const cli::Place place;
  const std::string spec = place.write("vms.yaml", cli::read_file(std::string(GPUPLAN_SOURCE_DIR) + "/specs/minimal.yaml") +
                                                       "\nkubernetes: {enabled: false}\n");
  const std::string silent = "guest: {unreachable: [gpu-worker-1]";
  place.write("h100-sxm8.yaml", std::regex_replace(cli::read_file(place.host()), std::regex("guest: .boot_seconds: 40"), silent));
  const cli::Result first = place.run_sim({"apply", spec, "--yes"});
  INFO(first.err);
  REQUIRE(first.exit_code == 3);
  const cli::Result planned = place.run_sim({"plan", spec});
  CHECK_THAT(planned.out, contains("vm-define/gpu-worker-1\n      power: starting → running\n") && contains("1 to update"));
  SECTION("again in vain") {
    const cli::Result again = place.run_sim({"apply", spec, "--yes"});
    CHECK(again.exit_code == 3);
    CHECK_THAT(again.out + again.err, contains("for a login on gpu-worker-1"));
    CHECK(place.run_sim({"rollback", "--yes"}).exit_code == 0);
  }
  SECTION("with success") {
    std::string model = cli::read_file(place.current_model());
    const std::size_t at = model.find("gpu-worker-1", model.find("unreachable"));
    REQUIRE(at != std::string::npos);
    std::ofstream(place.current_model()) << model.replace(at, 12, "nobody");
    const cli::Result again = place.run_sim({"apply", spec, "--yes"});
    INFO(again.err);
    CHECK(again.exit_code == 0);
    CHECK_THAT(again.out, contains("vm-define/gpu-worker-1: update: done") && contains("Run 2 succeeded"));
    CHECK(place.run_sim({"plan", spec, "--detailed-exitcode"}).exit_code == 0);
  }
}

TEST_CASE("on_failure: rollback undoes a failed run at once") {
  const cli::Place place;
  const std::string spec = cli::read_file(std::string(GPUPLAN_SOURCE_DIR) + "/" + cli::h100_spec);
  const std::string path = place.write("rollback.yaml", spec + "\non_failure: rollback\n");
  const cli::Result result = place.run_sim({"apply", path, "--yes", "--fault", failing_step});
  CHECK(result.exit_code == 3);
  place.expect_golden("apply-on-failure-rollback", result);
  CHECK_THAT(result.out, contains("resources are as they were before run 1."));
  CHECK_THAT(place.run_sim({"rollback", "--yes"}).out, contains("Nothing to roll back"));
}

TEST_CASE("destroy removes what was made, and only that") {
  const cli::Place place;
  REQUIRE(place.run_sim({"apply", cli::h100_spec, "--yes"}).exit_code == 0);
  const cli::Result result = place.run_sim({"destroy", "--yes"});
  CHECK(result.exit_code == 0);
  place.expect_golden("destroy", result);
  const cli::Result again = place.run_sim({"destroy", "--yes"});
  CHECK(again.exit_code == 0);
  CHECK(again.out == "Nothing to destroy: gpuplan has made nothing for cluster gpu.\n");
}

TEST_CASE("rollback and destroy without any cluster have nothing to do") {
  const cli::Place place;
  CHECK(place.run_sim({"rollback", "--yes"}).exit_code == 0);
  CHECK(place.run_sim({"destroy", "--yes"}).exit_code == 0);
  CHECK(place.run_sim({"destroy", cli::h100_spec, "--yes"}).exit_code == 0);
  CHECK(place.run_sim({"rollback", "--yes", "--cluster", "gpu"}).exit_code == 1);
}

TEST_CASE("a locked cluster tells who holds it") {
  const cli::Place place;
  REQUIRE(place.run_sim({"apply", cli::h100_spec, "--yes"}).exit_code == 0);
  const int lock = open((place.state_dir() + "/clusters/gpu/lock").c_str(), O_RDWR | O_CLOEXEC);
  REQUIRE(lock >= 0);
  REQUIRE(flock(lock, LOCK_EX | LOCK_NB) == 0);
  for (const char* verb : {"rollback", "destroy"}) {
    const cli::Result result = place.run_sim({verb, "--yes"});
    CHECK(result.exit_code == 4);
    CHECK_THAT(result.err, contains("gpuplan apply specs/h100-8gpu.yaml"));
    place.expect_golden(std::string("locked-") + verb, result);
  }
  CHECK(place.run_sim({"apply", cli::h100_spec, "--yes"}).exit_code == 4);
  CHECK(place.run_sim({"plan", cli::h100_spec}).exit_code == 0);
  close(lock);
  CHECK(place.run_sim({"apply", cli::h100_spec, "--yes"}).exit_code == 0);
}

TEST_CASE("--fault is refused on a real server") {
  const cli::Place place;
  const cli::Result result = place.run({"apply", cli::h100_spec, "--yes", "--fault", failing_step});
  CHECK(result.exit_code == 1);
  CHECK_THAT(result.err, contains("--fault is refused"));
  CHECK_THAT(place.run({"status"}).out, contains("There is no cluster"));
}

TEST_CASE("apply --json is a stream of events that ends with run_finished") {
  const cli::Place place;
  const cli::Result result = place.run_sim({"apply", cli::h100_spec, "--yes", "--json"});
  CHECK(result.exit_code == 0);
  const std::vector<Json> events = events_of(result);
  CHECK(events.front().at("type") == "plan");
  CHECK(events.front().at("plan").at("changes").is_array());
  CHECK(events.back().at("status") == "succeeded");
  CHECK(events.back().at("resources").size() == events.front().at("plan").at("changes").size());

  const std::vector<Json> nothing = events_of(place.run_sim({"apply", cli::h100_spec, "--yes", "--json"}));
  CHECK(nothing.back().at("run").is_null());
  for (const Json& resource : nothing.back().at("resources")) CHECK(resource.at("state") == "unchanged");
}

TEST_CASE("failed runs, rollbacks and refusals end their streams the same way") {
  const cli::Place place;
  const std::vector<Json> failed =
      events_of(place.run_sim({"apply", cli::h100_spec, "--yes", "--json", "--fault", failing_step}));
  CHECK(failed.back().at("status") == "failed");
  std::size_t failures = 0;
  for (const Json& resource : failed.back().at("resources")) {
    failures += resource.at("state") == "failed" ? 1U : 0U;
    CHECK((resource.at("state") == "failed") == resource.at("error").is_string());
  }
  CHECK(failures == 1);
  CHECK_THAT(failed.back().at("next").get<std::string>(), contains("gpuplan rollback"));

  const std::vector<Json> undone = events_of(place.run_sim({"rollback", "--yes", "--json"}));
  CHECK(undone.back().at("status") == "rolled_back");
  CHECK(undone.back().at("differences").empty());

  const std::vector<Json> refused = events_of(place.run({"apply", cli::h100_spec, "--yes", "--json", "--host", cli::busy_host}));
  CHECK(refused.back().at("status") == "refused");
  CHECK(refused.back().at("exit_code") == 1);
  CHECK(refused.back().at("checks").is_array());
}

TEST_CASE("a cluster is not mistaken for one of another server") {
  const cli::Place place;
  REQUIRE(place.run_sim({"apply", cli::h100_spec, "--yes"}).exit_code == 0);
  for (const char* verb : {"rollback", "destroy"}) {
    const cli::Result result = place.run({verb, "--yes", "--host", cli::busy_host});
    CHECK(result.exit_code == 1);
    CHECK_THAT(result.err, contains("cluster gpu is on another server"));
  }
  CHECK(place.run({"apply", cli::h100_spec, "--yes", "--host", cli::busy_host}).exit_code == 1);
}

TEST_CASE("a killed run is told by status and undone by rollback") {
  const cli::Place place;
  const cli::Result killed = place.run_sim({"apply", cli::h100_spec, "--yes", "--fault", "call:5:kill"});
  CHECK(killed.exit_code == 137);
  CHECK_THAT(place.run({"status"}).out, contains("killed"));
  const cli::Result undone = place.run_sim({"rollback", "--yes"});
  CHECK(undone.exit_code == 0);
  CHECK_THAT(undone.out, contains("resources are as they were before run 1."));
}

TEST_CASE("several clusters must be told apart") {
  const cli::Place place;
  REQUIRE(place.run_sim({"apply", cli::h100_spec, "--yes"}).exit_code == 0);
  const std::string other = place.state_dir() + "/clusters/lab";
  REQUIRE(mkdir(other.c_str(), 0700) == 0);
  close(open((other + "/journal.db").c_str(), O_WRONLY | O_CREAT, 0600));
  const cli::Result result = place.run({"history"});
  CHECK(result.exit_code == 1);
  place.expect_golden("which-cluster", result);
  const cli::Result typo = place.run({"history", "--cluster", "gpo"});
  CHECK(typo.exit_code == 1);
  place.expect_golden("cluster-typo", typo);
}
