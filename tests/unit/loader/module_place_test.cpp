// Where root loads modules from, and what it is told of other places. Only root can set these places up.
#include "loader/module_place.h"

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "loader/load_plugins.h"
#include "support/catch.h"
#include "support/temporary_directory.h"

using namespace gpuplan;

namespace {

const std::string good_module = std::string(GPUPLAN_BAD_PLUGIN_DIR) + "/good/good.so";
constexpr uid_t somebody = 65534;

// A directory of root's own with a good module in it.
struct Shelf {
  TemporaryDirectory parent;
  std::string directory = parent / "plugins";
  std::string module = directory + "/good.so";

  Shelf() {
    std::filesystem::create_directory(directory);
    REQUIRE(chmod(directory.c_str(), 0755) == 0);
    std::filesystem::copy(good_module, module);
    REQUIRE(chmod(module.c_str(), 0755) == 0);
  }
};

// The one problem of `gpuplan --plugin-path DIRECTORY`.
Diagnostic refusal(const std::string& directory) {
  StepKinds kinds;
  Diagnostics diagnostics;
  load_plugins({directory}, kinds, diagnostics);
  CHECK(kinds.entries().empty());
  REQUIRE(diagnostics.error_count() == 1);
  return diagnostics.items()[0];
}

std::string not_loaded(const std::string& what, const std::string& path) {
  return "plugin " + what + " " + path + " was not loaded (stage: place)";
}

std::string writable_by_others(const std::string& path, const std::string& mode) {
  return path + " can be written by others than root (mode " + mode + ")";
}

std::string take_write_away(const std::string& path) {
  return "make sure that what is in it may run as root, then `chmod go-w '" + path + "'`";
}

std::string give_to_root(const std::string& path) {
  return "make sure that what is in it may run as root, then `chown root:root '" + path + "'`";
}

bool is_root() { return geteuid() == 0; }

}  // namespace

TEST_CASE("loader: root loads from a directory of its own") {
  if (!is_root()) return;
  const Shelf shelf;
  StepKinds kinds;
  Diagnostics diagnostics;
  load_plugins({shelf.directory}, kinds, diagnostics);
  CHECK(diagnostics.items().empty());
  CHECK(kinds.find("idle") != nullptr);
}

TEST_CASE("loader: root loads nothing from a directory that others can write") {
  if (!is_root()) return;
  const Shelf shelf;
  for (const auto& [mode, text] : {std::pair{0775U, "0775"}, {0757U, "0757"}, {0777U, "0777"}}) {
    REQUIRE(chmod(shelf.directory.c_str(), mode) == 0);
    const Diagnostic problem = refusal(shelf.directory);
    CHECK(problem.summary == not_loaded("directory", shelf.directory));
    CHECK(problem.why == writable_by_others(shelf.directory, text));
    CHECK(problem.remedy == take_write_away(shelf.directory));
  }
}

TEST_CASE("loader: root loads nothing from below a directory that others can write") {
  if (!is_root()) return;
  const Shelf shelf;
  REQUIRE(chmod(shelf.parent.path().c_str(), 0777) == 0);
  const Diagnostic problem = refusal(shelf.directory);
  CHECK(problem.why == writable_by_others(shelf.parent.path(), "0777"));
  CHECK(problem.remedy == take_write_away(shelf.parent.path()));
}

TEST_CASE("loader: root loads no module that others can write") {
  if (!is_root()) return;
  const Shelf shelf;
  for (const auto& [mode, text] : {std::pair{0666U, "0666"}, {0775U, "0775"}}) {
    REQUIRE(chmod(shelf.module.c_str(), mode) == 0);
    const Diagnostic problem = refusal(shelf.directory);
    CHECK(problem.summary == not_loaded("module", shelf.module));
    CHECK(problem.why == writable_by_others(shelf.module, text));
    CHECK(problem.remedy == take_write_away(shelf.module));
  }
}

TEST_CASE("loader: root loads nothing of another user's") {
  if (!is_root()) return;
  const Shelf shelf;
  SECTION("module") {
    REQUIRE(chown(shelf.module.c_str(), somebody, 0) == 0);
    const Diagnostic problem = refusal(shelf.directory);
    CHECK(problem.summary == not_loaded("module", shelf.module));
    CHECK(problem.why == shelf.module + " belongs to user id 65534, not to root, who runs gpuplan");
    CHECK(problem.remedy == give_to_root(shelf.module));
  }
  SECTION("directory") {
    REQUIRE(chown(shelf.directory.c_str(), somebody, 0) == 0);
    const Diagnostic problem = refusal(shelf.directory);
    CHECK(problem.summary == not_loaded("directory", shelf.directory));
    CHECK(problem.remedy == give_to_root(shelf.directory));
  }
  SECTION("directory above, even a sticky one") {
    REQUIRE(chown(shelf.parent.path().c_str(), somebody, 0) == 0);
    REQUIRE(chmod(shelf.parent.path().c_str(), 01777) == 0);
    CHECK(refusal(shelf.directory).remedy == give_to_root(shelf.parent.path()));
  }
}

TEST_CASE("loader: root judges what a symlink leads to") {
  if (!is_root()) return;
  const Shelf shelf;
  const Shelf open_to_all;
  REQUIRE(chmod(open_to_all.directory.c_str(), 0777) == 0);
  std::filesystem::remove(shelf.module);
  SECTION("of the module") {
    std::filesystem::create_symlink(open_to_all.module, shelf.module);
    const Diagnostic problem = refusal(shelf.directory);
    CHECK(problem.summary == not_loaded("module", shelf.module));
    CHECK(problem.why == writable_by_others(open_to_all.directory, "0777"));
    CHECK(problem.remedy == take_write_away(open_to_all.directory));
  }
  SECTION("of the directory") {
    const std::string link = shelf.directory + "/more";
    std::filesystem::create_directory_symlink(open_to_all.directory, link);
    const Diagnostic problem = refusal(link);
    CHECK(problem.summary == not_loaded("directory", link));
    CHECK(problem.why == writable_by_others(open_to_all.directory, "0777"));
  }
  SECTION("that leads nowhere") {
    std::filesystem::create_symlink(shelf.directory + "/nothing", shelf.module);
    CHECK(refusal(shelf.directory).why == "no such file or directory");
  }
}

TEST_CASE("loader: a sticky directory may lie above root's own, but may not hold modules") {
  if (!is_root()) return;
  const Shelf shelf;
  REQUIRE(chmod(shelf.parent.path().c_str(), 01777) == 0);
  CHECK(place_problem(shelf.module).why.empty());
  CHECK(place_problem(shelf.directory).why.empty());
  std::filesystem::copy(good_module, shelf.parent / "good.so");
  for (const std::string& path : {shelf.parent.path(), shelf.parent / "good.so"}) {
    const PlaceProblem problem = place_problem(path);
    CHECK(problem.why == writable_by_others(shelf.parent.path(), "1777"));
    CHECK(problem.remedy == "move the modules into a directory of root's own: `install -d -m 0755 '" +
                                shelf.parent.path() + "/gpuplan-plugins'`");
  }
}

TEST_CASE("loader: the command that mends a place can be pasted") {
  if (!is_root()) return;
  const TemporaryDirectory parent;
  const std::string directory = parent / "it's here";
  std::filesystem::create_directory(directory);
  REQUIRE(chmod(directory.c_str(), 0777) == 0);
  REQUIRE_FALSE(place_problem(directory).why.empty());
  const std::string remedy = place_problem(directory).remedy;
  const std::string command = remedy.substr(remedy.find('`') + 1, remedy.rfind('`') - remedy.find('`') - 1);
  // A shell is what the user pastes it into.
  REQUIRE(system(command.c_str()) == 0);
  CHECK(place_problem(directory).why.empty());
}

TEST_CASE("loader: the system's own directories are fine") {
  if (is_root()) CHECK(place_problem("/usr/bin").why.empty());
}
