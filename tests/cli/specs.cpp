// Verbs that read: validate, check, plan, graph.
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "json/json.h"
#include "program.h"
#include "support/catch.h"

using gpuplan::Json;
using gpuplan::parse_json;

TEST_CASE("validate accepts the shipped spec") {
  const cli::Place place;
  const cli::Result result = place.run({"validate", cli::h100_spec});
  CHECK(result.exit_code == 0);
  place.expect_golden("validate", result);
  const Json document = parse_json(place.run({"validate", cli::h100_spec, "--json"}).out, "validate --json");
  CHECK(document.at("valid") == true);
  CHECK(document.at("gpus") == 8);
  CHECK(document.at("workers") == 2);
}

TEST_CASE("validate reports every mistake at once, with its place") {
  const cli::Place place;
  const cli::Result result = place.run({"validate", "tests/cli/broken.yaml"});
  CHECK(result.exit_code == 1);
  CHECK(result.out.empty());
  place.expect_golden("validate-broken", result);
  const Json document = parse_json(place.run({"validate", "tests/cli/broken.yaml", "--json"}).out, "validate --json");
  CHECK(document.at("format_version") == 1);
  CHECK(document.at("errors").size() >= 2);
  for (const Json& error : document.at("errors")) CHECK(error.at("where").at("file") == "tests/cli/broken.yaml");
}

TEST_CASE("a spec that is not there is named") {
  const cli::Place place;
  const cli::Result result = place.run({"validate", "no-such.yaml"});
  CHECK(result.exit_code == 1);
  place.expect_golden("validate-missing", result);
}

TEST_CASE("plan shows every change") {
  const cli::Place place;
  const cli::Result result = place.run({"plan", cli::h100_spec, "--host", cli::h100_host});
  CHECK(result.exit_code == 0);
  CHECK(result.err.empty());
  CHECK_THAT(result.out, contains("driver: nvidia → vfio-pci"));
  CHECK_THAT(result.out, !contains("\033["));
  place.expect_golden("plan", result);
}

TEST_CASE("plan --explain says why and where values were read") {
  const cli::Place place;
  const cli::Result result = place.run({"plan", cli::h100_spec, "--host", cli::h100_host, "--explain"});
  CHECK(result.exit_code == 0);
  CHECK_THAT(result.out, contains("because "));
  CHECK_THAT(result.out, contains("(read from "));
  place.expect_golden("plan-explain", result);
}

TEST_CASE("plan changes nothing, not even the state directory") {
  const cli::Place place;
  place.run({"plan", cli::h100_spec, "--host", cli::h100_host});
  CHECK(place.run({"status"}).out == "There is no cluster in " + place.state_dir() + ".\n");
  CHECK(access(place.state_dir().c_str(), F_OK) != 0);
}

TEST_CASE("plan --color always paints") {
  const cli::Place place;
  CHECK_THAT(place.run({"plan", cli::h100_spec, "--host", cli::h100_host, "--color", "always"}).out, contains("\033["));
}

TEST_CASE("plan --detailed-exitcode tells changes from none") {
  const cli::Place place;
  CHECK(place.run_sim({"plan", cli::h100_spec, "--detailed-exitcode"}).exit_code == 2);
  REQUIRE(place.run_sim({"apply", cli::h100_spec, "--yes"}).exit_code == 0);
  const cli::Result after = place.run_sim({"plan", cli::h100_spec, "--detailed-exitcode"});
  CHECK(after.exit_code == 0);
  place.expect_golden("plan-no-changes", after);
}

TEST_CASE("plan --json has the members that programs rely on") {
  const cli::Place place;
  const cli::Result result = place.run({"plan", cli::h100_spec, "--host", cli::h100_host, "--json"});
  REQUIRE(result.exit_code == 0);
  const Json plan = parse_json(result.out, "plan --json");
  CHECK(plan.at("format_version") == 1);
  CHECK(plan.at("cluster") == "gpu");
  std::size_t created = 0;
  for (const Json& change : plan.at("changes")) {
    CHECK(change.at("address").is_string());
    CHECK(change.at("reversible").is_boolean());
    CHECK(change.at("reasons").is_array());
    created += change.at("action") == "create" ? 1U : 0U;
    for (const Json& attribute : change.at("attributes")) {
      for (const char* member : {"name", "before", "after", "known", "sensitive"}) CHECK(attribute.contains(member));
      if (attribute.at("sensitive") == true) CHECK(attribute.at("after").is_null());
      if (attribute.at("known") == false) CHECK(attribute.at("after").is_null());
    }
  }
  for (const char* member : {"create", "update", "replace", "remove", "none", "irreversible"}) {
    CHECK(plan.at("summary").at(member).is_number());
  }
  CHECK(plan.at("summary").at("create") == created);
  CHECK(plan.at("host").at("description") == cli::h100_host);
  CHECK(plan.at("checks").is_array());
}

TEST_CASE("plan refuses a busy server and names who holds the GPU") {
  const cli::Place place;
  const cli::Result result = place.run({"plan", cli::h100_spec, "--host", cli::busy_host});
  CHECK(result.exit_code == 1);
  CHECK_THAT(result.out, contains("fail"));
  CHECK_THAT(result.out, contains("pid "));
  place.expect_golden("plan-busy", result);

  const Json document =
      parse_json(place.run({"plan", cli::h100_spec, "--host", cli::busy_host, "--json"}).out, "plan --json");
  CHECK(document.at("format_version") == 1);
  CHECK(document.at("errors").is_array());
  std::size_t failed = 0;
  for (const Json& check : document.at("checks")) failed += check.at("status") == "fail" ? 1U : 0U;
  CHECK(failed > 0);
}

TEST_CASE("check lists what passed and what failed") {
  const cli::Place place;
  const cli::Result good = place.run({"check", cli::h100_spec, "--host", cli::h100_host});
  CHECK(good.exit_code == 0);
  place.expect_golden("check", good);
  const cli::Result busy = place.run({"check", cli::h100_spec, "--host", cli::busy_host});
  CHECK(busy.exit_code == 1);
  place.expect_golden("check-busy", busy);
  const Json document =
      parse_json(place.run({"check", cli::h100_spec, "--host", cli::busy_host, "--json"}).out, "check --json");
  CHECK(document.at("passed") == false);
}

TEST_CASE("a simulated server whose file is missing is named") {
  const cli::Place place;
  const cli::Result result = place.run({"plan", cli::h100_spec, "--host", "sim:no-such-server.yaml"});
  CHECK(result.exit_code == 1);
  CHECK_THAT(result.err, contains("no-such-server.yaml"));
  place.expect_golden("plan-missing-host", result);
}

TEST_CASE("graph prints DOT, Mermaid and JSON") {
  const cli::Place place;
  place.expect_golden("graph-dot", place.run({"graph", cli::h100_spec}));
  place.expect_golden("graph-mermaid", place.run({"graph", cli::h100_spec, "--format", "mermaid"}));
  const Json graph = parse_json(place.run({"graph", cli::h100_spec, "--json"}).out, "graph --json");
  for (const Json& resource : graph.at("resources")) {
    if (resource.at("address") != "k8s-init/gpu-control-plane") continue;
    CHECK(resource.at("depends_on") == Json::array({"vm-define/gpu-control-plane", "node-prepare/gpu-control-plane"}));
  }
}

TEST_CASE("plugins lists the seven step kinds") {
  const cli::Place place;
  const cli::Result result = place.run({"plugins"});
  CHECK(result.exit_code == 0);
  place.expect_golden("plugins", result);
  const Json document = parse_json(place.run({"plugins", "--json"}).out, "plugins --json");
  CHECK(document.at("plugins").size() == 7);
}

TEST_CASE("root is warned of a spec that others can write, on a real server") {
  if (geteuid() != 0) return;
  const cli::Place place;
  // Nothing of this machine is changed: the VMs would be those of libvirt's test driver.
  const std::string parent = std::filesystem::path(place.host()).parent_path() / "specs";
  std::filesystem::create_directory(parent);
  const std::string spec = place.write("specs/x.yaml", cli::read_file(std::string(GPUPLAN_SOURCE_DIR) + "/specs/no-gpu.yaml") +
                                                           "\nhost: {libvirt_uri: \"test:///default\"}\n");
  const std::string start = "others than root can change the spec " + spec + ": ";
  CHECK(place.run({"check", spec}).err.find("others than root can change") == std::string::npos);
  std::string said;
  SECTION("its mode") {
    REQUIRE(chmod(spec.c_str(), 0666) == 0);
    said = spec + " can be written by others (mode 0666)";
  }
  SECTION("its owner") {
    REQUIRE(chown(spec.c_str(), 65534, 65534) == 0);
    said = spec + " belongs to user id 65534";
  }
  SECTION("its directory") {
    REQUIRE(chmod(parent.c_str(), 0777) == 0);
    said = parent + " can be written by others (mode 0777)";
  }
  const std::string warned = place.run({"check", spec}).err;
  CHECK_THAT(warned, contains("warning: " + start + said));
  CHECK_THAT(warned, contains("keep it where root alone can write: `install -D -m 0644 " + spec + " /etc/gpuplan/x.yaml`"));
  CHECK(place.run_sim({"check", spec}).err.find("others than root can change") == std::string::npos);
}
