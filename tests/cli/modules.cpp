// Modules of others that are broken: each is refused or contained, and its author told what is wrong.
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <regex>
#include <thread>

#include "program.h"
#include "support/catch.h"
#include "support/run_program.h"

namespace {

const std::string modules = GPUPLAN_BAD_PLUGIN_DIR;

// A server with one GPU's worth of cluster, and a spec that adds the misbehaving resource to it.
struct Workplace {
  cli::Place place;

  std::string spec(const std::string& defects) const {
    const std::string cluster =
        "gpus: [{pci_address: \"0000:0a:00.0\"}]\nworker_gpu_assignment: {worker-1: [0]}\nverify: false\n";
    return place.write("spec.yaml", cluster + (defects.empty() ? "" : "x-misbehaving: {" + defects + "}\n"));
  }
  cli::Result run(std::vector<std::string> words) const {
    words.insert(words.end(), {"--plugin-path", modules + "/misbehaving"});
    return place.run_sim(words);
  }
  // The cluster as the spec without the misbehaving resource declares it.
  void make_cluster() const { REQUIRE(run({"apply", spec(""), "--yes"}).exit_code == 0); }
  std::string titled(const std::string& defects, const cli::Result& result) const {
    return "x-misbehaving: {" + defects + "}\n" + place.transcript(result) + "\n";
  }
};

// Versions of the tools that this was built with.
std::string without_versions(const std::string& text) {
  const std::string named = std::regex_replace(text, std::regex("compiler [^;`]*; abi cxx11=."), "COMPILER");
  return std::regex_replace(named, std::regex("sanitizer [a-z]+; json [0-9.]+"), "LIBRARIES");
}

bool appears(const std::string& path, const std::string& text) {
  for (int i = 0; i < 600; ++i) {
    if (cli::read_file(path).find(text) != std::string::npos) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  return false;
}

// Runs the program; sends SIGINT when the module hangs, and again when the program says so.
cli::Result interrupt_twice(const Workplace& work, std::vector<std::string> words) {
  words.insert(words.end(), {"--host", "sim:" + work.place.host(), "--plugin-path", modules + "/misbehaving"});
  const std::string out = work.place.write("out", ""), err = work.place.write("err", "");
  const pid_t program = start_program(words, work.place.state_dir(), out, err);
  REQUIRE(program > 0);
  const bool hangs = appears(err, "hanging in");
  kill(program, SIGINT);
  const bool told = appears(err, "has not returned for");
  kill(program, SIGINT);
  if (!hangs || !told) kill(program, SIGKILL);
  CHECK(hangs);
  CHECK(told);
  const int exit_code = end_of_program(program);
  return {words, exit_code, cli::read_file(out), cli::read_file(err)};
}

}  // namespace

TEST_CASE("a module that cannot be loaded stops every verb that needs step kinds, and is named") {
  const cli::Place place;
  std::string text;
  for (const char* name : {"no_descriptor", "wrong_magic", "wrong_size", "wrong_tag", "debug_tag", "invalid_kind",
                           "shipped_kind", "kind_mismatch", "no_create", "null_create", "throwing_create",
                           "throwing_kind", "throwing_schema", "wrong_schema"}) {
    const cli::Result result = place.run_sim({"plan", cli::h100_spec, "--plugin-path", modules + "/" + name});
    INFO(name);
    CHECK(result.exit_code == 1);
    CHECK(result.out.empty());
    CHECK_THAT(result.err, contains(modules + "/" + name + "/" + name + ".so"));
    text += place.normalized(result.err);
  }
  cli::expect_golden_text("modules/not-loaded", without_versions(text));
}

TEST_CASE("two modules with one kind, and a module that is given twice, are refused") {
  const cli::Place place;
  std::string text;
  for (const char* second : {"same_kind", "good"}) {
    const cli::Result result = place.run_sim({"apply", cli::h100_spec, "--yes", "--plugin-path", modules + "/good",
                                              "--plugin-path", modules + "/" + second});
    CHECK(result.exit_code == 1);
    text += place.normalized(result.err);
  }
  cli::expect_golden_text("modules/kind-twice", text);
  CHECK_THAT(place.run({"status"}).out, contains("There is no cluster"));
}

TEST_CASE("what a module does wrong while planning is told, and nothing is changed") {
  const Workplace work;
  std::string text;
  for (const char* defects : {
           "expand: throws", "expand: throws-a-number", "expand: unknown-attribute", "expand: wrong-type",
           "expand: declares-computed", "expand: foreign-address", "expand: edge-to-nowhere", "expand: homeless",
           "expand: twice", "expand: cycle", "check: throws", "check: throws-a-number", "observe: throws",
           "observe: throws-a-number", "observe: unknown-attribute", "observe: wrong-type", "compare: throws",
           "compare: throws-a-number", "compare: no-stage", "compare: removes"}) {
    const std::string spec = work.spec(defects);
    const cli::Result planned = work.run({"plan", spec});
    INFO(defects);
    CHECK(planned.exit_code == 1);
    CHECK(planned.out.empty());
    CHECK_THAT(planned.err, contains(modules + "/misbehaving/misbehaving.so"));
    const cli::Result applied = work.run({"apply", spec, "--yes"});
    CHECK(applied.exit_code == 1);
    CHECK(applied.err == planned.err);
    text += std::string("x-misbehaving: {") + defects + "}\n" + work.place.normalized(planned.err) + "\n";
  }
  cli::expect_golden_text("modules/planning", text);
  // No run was begun.
  CHECK(work.run({"history", "--cluster", "gpu"}).out.find("apply") == std::string::npos);
}

TEST_CASE("graph refuses what plan refuses") {
  const Workplace work;
  for (const char* defects : {"expand: throws-a-number", "expand: foreign-address", "expand: cycle"}) {
    const std::string spec = work.spec(defects);
    const cli::Result result = work.place.run({"graph", spec, "--plugin-path", modules + "/misbehaving"});
    CHECK(result.exit_code == 1);
    CHECK(result.err == work.run({"plan", spec}).err);
  }
}

TEST_CASE("what a module does wrong in a stage fails its resource alone, and rollback undoes it") {
  std::string text;
  for (const char* defects : {"capture: throws", "apply: throws", "apply: throws-a-number", "apply: does-nothing",
                              "observe: unknown-attribute-once-made"}) {
    const Workplace work;
    work.make_cluster();
    const cli::Result failed = work.run({"apply", work.spec(defects), "--yes"});
    INFO(defects);
    CHECK(failed.exit_code == 3);
    CHECK_THAT(failed.out, contains(modules + "/misbehaving/misbehaving.so"));
    text += work.titled(defects, failed);
    const cli::Result undone = work.run({"rollback", "--yes"});
    CHECK(undone.exit_code == 0);
    CHECK_THAT(undone.out, contains("resources are as they were before run 2"));
    CHECK(work.run({"plan", work.spec(""), "--detailed-exitcode"}).exit_code == 0);
  }
  cli::expect_golden_text("modules/stages", text);
}

TEST_CASE("a module that fails in undo leaves the rest undone, and the rollback can be repeated") {
  const Workplace work;
  work.make_cluster();
  const std::string defects = "apply: throws, undo: throws";
  REQUIRE(work.run({"apply", work.spec(defects), "--yes"}).exit_code == 3);
  const cli::Result first = work.run({"rollback", "--yes"});
  CHECK(first.exit_code != 0);
  cli::expect_golden_text("modules/undo", work.titled(defects, first));
  const cli::Result second = work.run({"rollback", "--yes"});
  CHECK(second.exit_code == first.exit_code);
  CHECK_THAT(second.out, contains("the plugin for `misbehaving` failed in undo()"));
}

TEST_CASE("what a module does wrong when it is taken away fails its resource alone") {
  std::string text;
  for (const char* defects : {"plan_removal: throws", "withdraw: throws", "commit: throws-a-number"}) {
    const Workplace work;
    work.make_cluster();
    REQUIRE(work.run({"apply", work.spec(defects), "--yes"}).exit_code == 0);
    const cli::Result result = work.run({"apply", work.spec(""), "--yes"});
    INFO(defects);
    CHECK(result.exit_code == (std::string(defects) == "plan_removal: throws" ? 1 : 3));
    text += work.titled(defects, result);
  }
  cli::expect_golden_text("modules/removal", text);
}

TEST_CASE("a plan that hangs in a module is ended by Ctrl-C twice, and has changed nothing") {
  const Workplace work;
  const cli::Result result = interrupt_twice(work, {"plan", work.spec("observe: hangs")});
  CHECK(result.exit_code == 130);
  CHECK_THAT(result.err, contains("observe() of `misbehaving` has not returned for"));
  CHECK_THAT(result.err, contains("the step waits inside its plugin " + modules + "/misbehaving/misbehaving.so"));
  CHECK_THAT(work.run({"status"}).out, contains("There is no cluster"));
}

TEST_CASE("a run that hangs in a module is ended by Ctrl-C twice, and rollback undoes it") {
  const Workplace work;
  work.make_cluster();
  const cli::Result result = interrupt_twice(work, {"apply", work.spec("apply: hangs"), "--yes"});
  CHECK(result.exit_code == 130);
  CHECK_THAT(result.err, contains("note: misbehaving/file: apply() of `misbehaving` has not returned for"));
  CHECK_THAT(result.err, contains("pressing Ctrl-C once more"));
  CHECK_THAT(result.err, contains("the step waits inside its plugin " + modules + "/misbehaving/misbehaving.so"));
  const cli::Result undone = work.run({"rollback", "--yes"});
  CHECK(undone.exit_code == 0);
  CHECK_THAT(undone.out, contains("1 of 1 resources are as they were before run 2."));
  CHECK(work.run({"plan", work.spec(""), "--detailed-exitcode"}).exit_code == 0);
}

TEST_CASE("a module that crashes takes gpuplan along, and rollback undoes the run") {
  const Workplace work;
  work.make_cluster();
  CHECK(work.run({"apply", work.spec("apply: crashes"), "--yes"}).exit_code == 128 + SIGABRT);
  const cli::Result undone = work.run({"rollback", "--yes"});
  CHECK(undone.exit_code == 0);
  CHECK_THAT(undone.out, contains("1 of 1 resources are as they were before run 2."));
  CHECK(work.run({"plan", work.spec(""), "--detailed-exitcode"}).exit_code == 0);
}
