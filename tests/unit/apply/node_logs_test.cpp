// What programs on the nodes printed, as it is kept.
#include "apply/node_logs.h"

#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <sstream>
#include <thread>
#include <vector>

#include "support/catch.h"
#include "support/temporary_directory.h"

using namespace gpuplan;

namespace {

std::string content_of_log(const std::string& path) {
  std::ifstream in(path);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

unsigned mode_of_log(const std::string& path) {
  struct stat status {};
  REQUIRE(stat(path.c_str(), &status) == 0);
  return status.st_mode & 07777U;
}

}  // namespace

TEST_CASE("node logs are appended to, and are their owner's alone") {
  const TemporaryDirectory base;
  NodeLogs logs(base / "logs");
  CHECK(logs.path("gpu-worker-1") == base / "logs/gpu-worker-1.log");
  logs.append("gpu-worker-1", 1'800'000'000, "first", "one\ntwo");
  NodeLogs(base / "logs").append("gpu-worker-1", 1'800'000'060, "second", "");
  CHECK(content_of_log(logs.path("gpu-worker-1")) ==
        "--- 2027-01-15 08:00:00 UTC first\none\ntwo\n--- 2027-01-15 08:01:00 UTC second\n");
  CHECK(mode_of_log(base / "logs") == 0700);
  CHECK(mode_of_log(logs.path("gpu-worker-1")) == 0600);
}

TEST_CASE("entries of node logs are whole, whoever else writes") {
  const TemporaryDirectory base;
  NodeLogs logs(base / "logs");
  std::vector<std::thread> writers;
  for (int i = 0; i < 4; ++i) {
    writers.emplace_back([&] {
      for (int n = 0; n < 50; ++n) logs.append("node", 0, "title", std::string(1000, 'x') + "\n");
    });
  }
  for (std::thread& writer : writers) writer.join();
  std::string expected;
  for (int n = 0; n < 200; ++n) expected += "--- 1970-01-01 00:00:00 UTC title\n" + std::string(1000, 'x') + "\n";
  CHECK(content_of_log(logs.path("node")) == expected);
}

TEST_CASE("no log is written through a link, and none where there is no directory for it") {
  const TemporaryDirectory base;
  NodeLogs logs(base / "logs");
  logs.append("other", 0, "title", "");
  REQUIRE(symlink((base / "victim").c_str(), logs.path("node").c_str()) == 0);
  logs.append("node", 0, "title", "text");
  CHECK(access((base / "victim").c_str(), F_OK) != 0);
  NodeLogs none("");
  CHECK(none.path("node").empty());
  none.append("node", 0, "title", "text");
}
