// What is shown while work runs.
#include "report/progress.h"

#include <sstream>

#include "support/catch.h"

using namespace gpuplan;

namespace {

// A clock that stands still until told.
struct Scene {
  std::ostringstream out;
  Progress::TimePoint time{};
  Progress::Style style(bool live) {
    Progress::Style made;
    made.live = live;
    made.own_thread = false;
    made.width = 60;
    made.max_lines = 4;
    made.now = [this] { return time; };
    return made;
  }
};

}  // namespace

TEST_CASE("durations are written for people") {
  CHECK(format_duration(0.04) == "0.0 s");
  CHECK(format_duration(12.34) == "12.3 s");
  CHECK(format_duration(125) == "2m 05s");
  CHECK(format_duration(3725) == "1h 02m");
  CHECK(format_whole_duration(12) == "12 s");
  CHECK(format_whole_duration(125) == "2m 05s");
}

TEST_CASE("without a terminal only permanent lines and reminders are written") {
  Scene scene;
  Progress progress(scene.out, scene.style(false));
  progress.start("vm-define/gpu-worker-1: create");
  progress.print("a line");
  progress.detail("vm-define/gpu-worker-1: create", "waiting for ssh");
  scene.time += std::chrono::seconds(29);
  progress.tick();
  CHECK(scene.out.str() == "a line\n");
  scene.time += std::chrono::seconds(1);
  progress.tick();
  progress.tick();
  CHECK(scene.out.str() ==
        "a line\nvm-define/gpu-worker-1: create still runs after 30.0 s: waiting for ssh\n");
  scene.time += std::chrono::seconds(30);
  CHECK(progress.finish("vm-define/gpu-worker-1: create") == 60.0);
  progress.tick();
  CHECK_THAT(scene.out.str(), !contains("1m"));
}

TEST_CASE("on a terminal a block is redrawn below the permanent lines") {
  Scene scene;
  {
    Progress progress(scene.out, scene.style(true));
    progress.set_total(3);
    progress.start("a: create");
    scene.time += std::chrono::seconds(2);
    progress.detail("a: create", "waiting");
    progress.tick();
    CHECK(scene.out.str() == "[0/3] 1 running, 2.0 s\n  a: create: waiting (2.0 s)\n");
    scene.out.str("");
    progress.print("done b");
    CHECK(scene.out.str() ==
          "\033[A\r\033[K\033[A\r\033[Kdone b\n[0/3] 1 running, 2.0 s\n  a: create: waiting (2.0 s)\n");
    scene.out.str("");
  }
  CHECK(scene.out.str() == "\033[A\r\033[K\033[A\r\033[K");
}

TEST_CASE("the block fits the terminal") {
  Scene scene;
  Progress progress(scene.out, scene.style(true));
  for (const char* label : {"a", "b", "c", "d", "e"}) progress.start(label);
  progress.detail("a", std::string(200, 'x') + "ü");
  progress.tick();
  CHECK_THAT(scene.out.str(), contains("  … and 3 more\n"));
  std::istringstream lines(scene.out.str());
  std::size_t count = 0;
  for (std::string line; std::getline(lines, line); ++count) CHECK(line.size() <= 62);
  CHECK(count == 4);
}

TEST_CASE("control characters in details do not reach the terminal") {
  Scene scene;
  Progress progress(scene.out, scene.style(true));
  progress.start("a");
  progress.detail("a", "\033[2J");
  progress.tick();
  CHECK_THAT(scene.out.str(), contains("\\x1b[2J"));
}
