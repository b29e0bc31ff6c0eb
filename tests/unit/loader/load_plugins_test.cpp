// Which modules load, and what is said of those that do not.
#include "loader/load_plugins.h"

#include "plugin/build_tag.h"
#include "support/catch.h"

using namespace gpuplan;

namespace {

const std::string fixtures = GPUPLAN_BAD_PLUGIN_DIR;

std::string module_path(const std::string& name) { return fixtures + "/" + name + "/" + name + ".so"; }

struct Loaded {
  StepKinds kinds;
  Diagnostics diagnostics;
};

std::unique_ptr<Loaded> load(const std::vector<std::string>& names) {
  auto loaded = std::make_unique<Loaded>();
  std::vector<std::string> directories;
  for (const std::string& name : names) directories.push_back(fixtures + "/" + name);
  load_plugins(directories, loaded->kinds, loaded->diagnostics);
  return loaded;
}

// The one problem of a fixture that must not load.
void require_refused(const std::string& name, const std::string& stage, const std::string& why,
                     const std::string& remedy) {
  const auto loaded = load({name});
  CHECK(loaded->kinds.entries().empty());
  REQUIRE(loaded->diagnostics.error_count() == 1);
  const Diagnostic& problem = loaded->diagnostics.items()[0];
  CHECK(problem.summary == "plugin module " + module_path(name) + " was not loaded (stage: " + stage + ")");
  CHECK(problem.why == why);
  CHECK(problem.remedy == remedy);
}

const std::string descriptor_remedy =
    "its author must define the descriptor with GPUPLAN_PLUGIN(…) from plugin/plugin.h, once";
const std::string rebuild_remedy = "its author must rebuild it with the headers and the compiler of this gpuplan";
const std::string create_remedy = "its author must make create() throw nothing";

}  // namespace

TEST_CASE("loader: a good module") {
  const auto loaded = load({"good"});
  CHECK(loaded->diagnostics.items().empty());
  REQUIRE(loaded->kinds.entries().size() == 1);
  const auto& entry = loaded->kinds.entries()[0];
  CHECK(entry.kind->kind() == "idle");
  CHECK(entry.source.path == module_path("good"));
  CHECK(entry.source.summary == "does nothing");
  CHECK(entry.source.build_tag == GPUPLAN_BUILD_TAG);
  CHECK(loaded->kinds.find("idle") == entry.kind.get());
  CHECK_FALSE(loaded->kinds.find("busy"));
}

TEST_CASE("loader: a bad module does not keep a good one out") {
  const auto loaded = load({"wrong_magic", "good", "null_create"});
  CHECK(loaded->kinds.entries().size() == 1);
  // The kind is taken by the time the third module is looked at.
  REQUIRE(loaded->diagnostics.error_count() == 2);
  CHECK_THAT(loaded->diagnostics.items()[0].summary, contains("wrong_magic.so"));
  CHECK_THAT(loaded->diagnostics.items()[1].summary, contains("null_create.so was not loaded (stage: kind)"));
}

TEST_CASE("loader: a text file is not opened") {
  const auto loaded = load({"not_a_module"});
  REQUIRE(loaded->diagnostics.error_count() == 1);
  CHECK_THAT(loaded->diagnostics.items()[0].summary, contains("not_a_module.so was not loaded (stage: open)"));
  CHECK_THAT(loaded->diagnostics.items()[0].why, contains("the dynamic linker refuses it: "));
}

TEST_CASE("loader: an undefined symbol is found when the module is opened") {
  const auto loaded = load({"undefined_symbol"});
  REQUIRE(loaded->diagnostics.error_count() == 1);
  CHECK_THAT(loaded->diagnostics.items()[0].summary, contains("(stage: open)"));
  CHECK_THAT(loaded->diagnostics.items()[0].why, contains("nobody_has_this"));
  CHECK(loaded->diagnostics.items()[0].remedy ==
        "its author must build it like this gpuplan (`gpuplan version` shows the build tag) and link it against its "
        "gpuplan_sdk, with -Wl,--no-undefined");
}

TEST_CASE("loader: no descriptor") {
  require_refused("no_descriptor", "descriptor", "it exports no `gpuplan_plugin`", descriptor_remedy);
}

TEST_CASE("loader: wrong magic") {
  require_refused("wrong_magic", "magic", "its descriptor begins with 0x12345678, not 0x47505031", descriptor_remedy);
}

TEST_CASE("loader: wrong size") {
  require_refused("wrong_size", "size", "its descriptor has 8 bytes, this gpuplan knows one of 40", rebuild_remedy);
}

TEST_CASE("loader: wrong build tag") {
  require_refused(
      "wrong_tag", "build tag",
      std::string("it was built as `gpuplan 0.0.1; compiler 4.8`, this gpuplan as `") + GPUPLAN_BUILD_TAG + "`",
      rebuild_remedy);
}

TEST_CASE("loader: a kind that cannot stand in an address") {
  require_refused("invalid_kind", "kind", "`Idle Kind` is not the name of a step kind",
                  "its author must name the kind in lower-case letters, digits and dashes");
}

TEST_CASE("loader: containers of another layout, seen by the linker or in the build tag") {
  const auto loaded = load({"debug_containers"});
  CHECK(loaded->kinds.entries().empty());
  REQUIRE(loaded->diagnostics.error_count() == 1);
  CHECK_THAT(loaded->diagnostics.items()[0].why,
             contains("it was compiled with _GLIBCXX_DEBUG, this gpuplan was not: "));
  CHECK(loaded->diagnostics.items()[0].remedy == rebuild_remedy);

  std::string tag = GPUPLAN_BUILD_TAG;
  tag.replace(tag.find("containers plain"), std::string("containers plain").size(), "containers debug");
  require_refused("debug_tag", "build tag",
                  "it was built as `" + tag + "`, this gpuplan as `" + GPUPLAN_BUILD_TAG + "`", rebuild_remedy);
}

TEST_CASE("loader: a kind that is there already") {
  const auto loaded = load({"good", "same_kind"});
  CHECK(loaded->kinds.entries().size() == 1);
  REQUIRE(loaded->diagnostics.error_count() == 1);
  const Diagnostic& problem = loaded->diagnostics.items()[0];
  CHECK(problem.summary == "plugin module " + module_path("same_kind") + " was not loaded (stage: kind)");
  CHECK(problem.why == "there is a step kind idle already, from " + module_path("good"));
  CHECK(problem.remedy == "remove one of the two modules, or leave away the --plugin-path that leads to it");
}

TEST_CASE("loader: a module that is given twice") {
  const auto loaded = load({"good", "good"});
  CHECK(loaded->kinds.entries().size() == 1);
  REQUIRE(loaded->diagnostics.error_count() == 1);
  const Diagnostic& problem = loaded->diagnostics.items()[0];
  CHECK(problem.why == "it is loaded already, as " + module_path("good"));
  CHECK(problem.remedy ==
        "give each plugin directory once: leave away the --plugin-path or the symlink that leads to it again");
}

TEST_CASE("loader: a schema that cannot be relied upon") {
  require_refused("throwing_schema", "schema", "schema() threw something that is not a std::exception",
                  "its author must make schema() throw nothing");
  require_refused("wrong_schema", "schema", "its schema has the attribute `color` twice",
                  "its author must correct schema()");
}

TEST_CASE("loader: descriptor and step kind disagree") {
  require_refused("kind_mismatch", "create", "its step kind says that it is `idle`, its descriptor says `busy`",
                  "its author must give GPUPLAN_PLUGIN(…) the name that StepKind::kind() returns");
}

TEST_CASE("loader: nothing is created") {
  require_refused("no_create", "create", "its descriptor has no create function", descriptor_remedy);
  require_refused("null_create", "create", "create() returned a null pointer",
                  "its author must make create() return a new step kind");
  require_refused("throwing_create", "create", "create() threw an exception: no license", create_remedy);
  require_refused("throwing_kind", "create", "kind() threw an exception: no name",
                  "its author must make kind() throw nothing");
}

TEST_CASE("loader: a directory that is not there") {
  const auto loaded = load({"nowhere"});
  REQUIRE(loaded->diagnostics.error_count() == 1);
  CHECK(loaded->diagnostics.items()[0].summary ==
        "plugin directory " + fixtures + "/nowhere was not loaded (stage: place)");
  CHECK(loaded->diagnostics.items()[0].why == "no such file or directory");
}

TEST_CASE("loader: the installed plugins are beside the program") {
  const std::string directory = installed_plugin_directory();
  CHECK_THAT(directory, contains("/gpuplan/plugins"));
  CHECK(directory[0] == '/');
}
