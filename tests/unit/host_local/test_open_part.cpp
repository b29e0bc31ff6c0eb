// Through which parts of a path others than root decide what lies at its end. Only root can set these up.
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "host/files/open_part.h"
#include "support/catch.h"
#include "support/temporary_directory.h"

using namespace gpuplan;
using Why = OpenPart::Why;

namespace {

// DIRECTORY/a/b, all of root's.
struct Way {
  TemporaryDirectory top;
  std::string a = top / "a", b = a + "/b";

  Way() {
    std::filesystem::create_directories(b);
    for (const std::string& path : {a, b}) REQUIRE(chmod(path.c_str(), 0755) == 0);
  }
};

void require_open(const std::string& path, Why why, const std::string& where, std::size_t strict = 0) {
  const auto open = open_part(path, strict);
  REQUIRE(open);
  CHECK(open->why == why);
  CHECK(open->path == where);
}

}  // namespace

TEST_CASE("a way of root's own is closed, also below a sticky directory") {
  if (geteuid() != 0) return;
  const Way way;
  for (const std::string& path : {std::string("/"), std::string("/usr/bin"), way.b, way.b + "/", way.a + "//./b/../b"}) {
    INFO(path);
    CHECK_FALSE(open_part(path, 1));
  }
  REQUIRE(chmod(way.a.c_str(), 01777) == 0);
  CHECK_FALSE(open_part(way.b, 1));
  require_open(way.b, Why::sticky, way.a, 2);
  require_open(way.a, Why::sticky, way.a, 1);
}

TEST_CASE("a directory that others can write, or that is another user's, opens all ways through it") {
  if (geteuid() != 0) return;
  const Way way;
  for (const mode_t mode : {0775, 0757, 0777}) {
    REQUIRE(chmod(way.a.c_str(), mode) == 0);
    require_open(way.b, Why::writable, way.a);
    CHECK(open_part(way.b, 0)->mode == mode);
  }
  REQUIRE(chown(way.a.c_str(), 65534, 0) == 0);
  REQUIRE(chmod(way.a.c_str(), 01755) == 0);
  require_open(way.b, Why::foreign, way.a);
  CHECK(open_part(way.b, 0)->owner == 65534);
}

TEST_CASE("a link is as open as where it lies and as where it leads") {
  if (geteuid() != 0) return;
  const Way way, other;
  const std::string link = way.b + "/link";
  for (const std::string& target : {other.b, "../../../" + other.b.substr(other.b.find("gpuplan-test"))}) {
    std::filesystem::remove(link);
    std::filesystem::create_directory_symlink(target, link);
    CHECK_FALSE(open_part(link + "/../b", 0));
    REQUIRE(chmod(other.a.c_str(), 0777) == 0);
    require_open(link, Why::writable, other.a);
    REQUIRE(chmod(other.a.c_str(), 0755) == 0);
    REQUIRE(chmod(way.a.c_str(), 0777) == 0);
    require_open(link, Why::writable, way.a);
    REQUIRE(chmod(way.a.c_str(), 0755) == 0);
  }
  REQUIRE(lchown(link.c_str(), 65534, 0) == 0);
  require_open(link, Why::foreign, link);
}

TEST_CASE("a way that ends too soon, or never, is told with its error") {
  if (geteuid() != 0) return;
  const Way way;
  require_open(way.b + "/none/x", Why::unreadable, way.b + "/none");
  CHECK(open_part(way.b + "/none", 0)->error == ENOENT);
  std::filesystem::create_directory_symlink("round", way.b + "/round");
  require_open(way.b + "/round", Why::unreadable, way.b + "/round");
  CHECK(open_part(way.b + "/round", 0)->error == ELOOP);
}
