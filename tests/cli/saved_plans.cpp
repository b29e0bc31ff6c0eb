// plan --out and apply FILE; --target, --exclude and --replace.
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "program.h"
#include "support/catch.h"

namespace {

std::string replaced(std::string text, const std::string& what, const std::string& with) {
  const std::size_t at = text.find(what);
  REQUIRE(at != std::string::npos);
  return text.replace(at, what.size(), with);
}

std::string spec_text() { return cli::read_file(std::string(GPUPLAN_SOURCE_DIR) + "/" + cli::h100_spec); }

// A place with the 8-GPU spec as a file of its own, and a plan of it.
struct Planned {
  cli::Place place;
  std::string spec = place.write("h100.yaml", spec_text());
  std::string plan = place.write("today.plan", "");

  explicit Planned(std::vector<std::string> more = {}) {
    std::vector<std::string> words = {"plan", spec, "--out", plan};
    words.insert(words.end(), more.begin(), more.end());
    REQUIRE(place.run_sim(words).exit_code == 0);
  }
  cli::Result apply() const { return place.run_sim({"apply", plan, "--yes"}); }
};

}  // namespace

TEST_CASE("a saved plan is carried out once") {
  const Planned planned;
  struct stat facts {};
  REQUIRE(stat(planned.plan.c_str(), &facts) == 0);
  CHECK((facts.st_mode & 07777) == 0600);
  const cli::Result first = planned.apply();
  CHECK(first.exit_code == 0);
  CHECK_THAT(first.out, contains("Run 1 succeeded: 18 created"));
  const cli::Result second = planned.apply();
  CHECK(second.exit_code == 5);
  CHECK_THAT(second.err, contains("run 1 of cluster gpu was made after it (gpuplan apply "));
  CHECK_THAT(second.err, contains("is stale; nothing was changed"));
}

TEST_CASE("a saved plan is refused when what it stands on has changed") {
  Planned planned;
  SECTION("the spec") {
    planned.place.write("h100.yaml", replaced(spec_text(), "memory: 204800", "memory: 102400"));
    const cli::Result result = planned.apply();
    CHECK(result.exit_code == 5);
    CHECK_THAT(result.err, contains("h100.yaml was changed"));
  }
  SECTION("the spec is gone") {
    std::filesystem::remove(planned.spec);
    const cli::Result result = planned.apply();
    CHECK(result.exit_code == 5);
    CHECK_THAT(result.err, contains("h100.yaml cannot be read as it was then"));
  }
  SECTION("a driver on the server") {
    REQUIRE(planned.place.run_sim({"status"}).exit_code == 0);
    const std::string model = cli::read_file(planned.place.host());
    const std::string away = replaced(model, "module_id: 5,", "module_id: 5, driver: \"\",");
    planned.place.write("h100-sxm8.yaml", away + "\nfiles: {/var/lib/gpuplan-gpu-modules/0000:0a:00.0: \"5\"}\n");
    const cli::Result result = planned.apply();
    CHECK(result.exit_code == 5);
    CHECK_THAT(result.err, contains("vfio-bind/0000:0a:00.0: `driver` was nvidia and is "));
  }
  CHECK_THAT(planned.place.run_sim({"status"}).out, contains("There is no cluster"));
}

TEST_CASE("a saved plan is refused when the journal is not the one with which it was made") {
  const cli::Place place;
  const std::string plan = place.write("today.plan", "");
  const std::string journal = place.state_dir() + "/clusters/gpu/journal.db";
  const auto make_two_runs = [&](const char* fault) {
    REQUIRE(place.run_sim({"apply", cli::h100_spec, "--yes", "--fault", fault}).exit_code == 3);
    const std::string after_the_first = cli::read_file(journal);
    REQUIRE(place.run_sim({"rollback", "--yes"}).exit_code == 0);
    return after_the_first;
  };
  const std::string older = make_two_runs("call:9:fail");
  REQUIRE(place.run_sim({"plan", cli::h100_spec, "--out", plan}).exit_code == 0);
  std::string expected;
  SECTION("it is gone") {
    std::filesystem::remove(journal);
    expected = " is gone, which ended with run 2 when the plan was made";
  }
  SECTION("it is an older one") {
    std::ofstream(journal, std::ios::binary | std::ios::trunc) << older;
    expected = " ends with run 1, and ended with run 2 when the plan was made: it is an older one";
  }
  SECTION("it is another one with as many runs") {
    std::filesystem::remove(journal);
    make_two_runs("call:3:fail");
    expected = " is not the one with which the plan was made: its run 2 is another (gpuplan rollback --yes ";
  }
  const std::string before = cli::read_file(journal);
  const cli::Result result = place.run_sim({"apply", plan, "--yes"});
  CHECK(result.exit_code == 5);
  CHECK_THAT(result.err, contains("the journal " + journal + expected));
  CHECK_THAT(result.err, contains("is stale; nothing was changed"));
  CHECK_THAT(result.err, contains("next: put the journal of then back, if there is a backup; else look at the server"));
  CHECK(cli::read_file(journal) == before);
}

TEST_CASE("a saved plan to destroy is refused when the journal is gone") {
  const cli::Place place;
  const std::string plan = place.write("today.plan", "");
  REQUIRE(place.run_sim({"apply", cli::h100_spec, "--yes"}).exit_code == 0);
  REQUIRE(place.run_sim({"plan", "--destroy", "--out", plan}).exit_code == 0);
  std::filesystem::remove(place.state_dir() + "/clusters/gpu/journal.db");
  const cli::Result result = place.run_sim({"apply", plan, "--yes"});
  CHECK(result.exit_code == 5);
  CHECK_THAT(result.err, contains("journal.db is gone, which ended with run 1 when the plan was made"));
  CHECK(result.out.empty());
}

TEST_CASE("a saved plan to destroy is refused, and says nothing else, when that was done since") {
  const cli::Place place;
  const std::string plan = place.write("today.plan", "");
  REQUIRE(place.run_sim({"apply", "specs/minimal.yaml", "--yes"}).exit_code == 0);
  REQUIRE(place.run_sim({"plan", "--destroy", "--out", plan}).exit_code == 0);
  REQUIRE(place.run_sim({"destroy", "--yes"}).exit_code == 0);
  const cli::Result result = place.run_sim({"apply", plan, "--yes"});
  CHECK(result.exit_code == 5);
  CHECK_THAT(result.err, contains("run 2 of cluster gpu was made after it (gpuplan destroy --yes"));
  CHECK(result.out.empty());
  const std::string events = place.run_sim({"apply", plan, "--yes", "--json"}).out;
  CHECK(std::count(events.begin(), events.end(), '\n') == 1);
  CHECK_THAT(events, contains("\"exit_code\":5"));
}

TEST_CASE("a plan file that others could have written is refused") {
  const Planned planned;
  SECTION("writable by others") { REQUIRE(chmod(planned.plan.c_str(), 0622) == 0); }
  SECTION("a symlink") {
    std::filesystem::rename(planned.plan, planned.plan + ".real");
    std::filesystem::create_symlink(planned.plan + ".real", planned.plan);
  }
  SECTION("damaged") { std::filesystem::resize_file(planned.plan, 1000); }
  const cli::Result result = planned.apply();
  CHECK(result.exit_code == 1);
  CHECK_THAT(result.err, contains("next: ") || contains("make a new plan"));
  CHECK_THAT(planned.place.run_sim({"status"}).out, contains("There is no cluster"));
}

TEST_CASE("a plan that was changed, is newer, or is another server's is refused, with what to do") {
  const Planned planned;
  const std::string text = cli::read_file(planned.plan);
  std::string expected;
  std::string host = "sim:" + planned.place.host();
  SECTION("changed") {
    planned.place.write("today.plan", replaced(text, "\"purpose\":\"apply\"", "\"purpose\":\"destroy\""));
    expected = "was changed after it was made; make a new plan with `gpuplan plan SPEC --out FILE --host sim:";
  }
  SECTION("newer") {
    planned.place.write("today.plan", replaced(text, "\"gpuplan_plan_file\":2", "\"gpuplan_plan_file\":3"));
    expected = "has plan format 3, and this gpuplan reads 2; make a new plan";
  }
  SECTION("another server's") {
    host = cli::busy_host;
    expected = "was made for another server";
  }
  SECTION("a pipe") {
    std::filesystem::remove(planned.plan);
    REQUIRE(mkfifo(planned.plan.c_str(), 0600) == 0);
    // Nobody reads a pipe to find out whether it is a plan: it is taken for a spec, which cannot be one either.
    expected = "this is a device or pipe, not a file";
  }
  const cli::Result result = planned.place.run({"apply", planned.plan, "--yes", "--host", host});
  CHECK(result.exit_code == 1);
  CHECK_THAT(result.err, contains(expected));
  CHECK_THAT(planned.place.run_sim({"status"}).out, contains("There is no cluster"));
}

TEST_CASE("a saved plan has its selection in it") {
  const Planned planned({"--target", "vm-define/gpu-control-plane"});
  CHECK(planned.place.run_sim({"apply", planned.plan, "--yes", "--target", "iommu-check/host"}).exit_code == 64);
  const cli::Result result = planned.apply();
  CHECK(result.exit_code == 0);
  CHECK_THAT(result.out, contains("Run 1 succeeded: 1 created"));
}

TEST_CASE("GPUs are given back without destroying the cluster") {
  const cli::Place place;
  REQUIRE(place.run_sim({"apply", cli::h100_spec, "--yes"}).exit_code == 0);
  const cli::Result planned = place.run_sim({"plan", "--destroy", "--target", "vfio-bind/0000:0a:00.0"});
  CHECK(planned.exit_code == 0);
  place.expect_golden("plan-destroy-target", planned);
  const cli::Result result = place.run_sim({"destroy", "--target", "vfio-bind/0000:0a:00.0", "--yes"});
  CHECK(result.exit_code == 0);
  CHECK_THAT(result.out, contains("4 removed"));
  // The rest is as it was, and the whole can be had back.
  const cli::Result again = place.run_sim({"apply", cli::h100_spec, "--yes"});
  CHECK_THAT(again.out, contains("4 created, 15 unchanged"));
}

TEST_CASE("a resource is made anew when --replace asks for it") {
  const cli::Place place;
  REQUIRE(place.run_sim({"apply", cli::h100_spec, "--yes"}).exit_code == 0);
  const cli::Result result =
      place.run_sim({"apply", cli::h100_spec, "--yes", "--replace", "vm-define/gpu-worker-2"});
  CHECK(result.exit_code == 0);
  CHECK_THAT(result.out, contains("3 replaced"));
  CHECK(place.run_sim({"plan", cli::h100_spec, "--detailed-exitcode"}).exit_code == 0);
  const cli::Result held = place.run_sim({"plan", cli::h100_spec, "--replace", "vfio-bind/0000:0a:00.0"});
  CHECK(held.exit_code == 1);
  CHECK_THAT(held.err, contains("vm-define/gpu-worker-1 holds it"));
}
