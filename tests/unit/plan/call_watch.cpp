// Calls into plugins that do not return, on a clock of the test's own.
#include "plan/call_watch.h"

#include <vector>

#include "host/interrupt.h"
#include "plan/contained_call.h"
#include "support/catch.h"
#include "support/toy.h"

using namespace gpuplan;
using std::chrono::seconds;

namespace {

struct WatchedCalls {
  CallWatch::TimePoint time{seconds(1000)};
  std::vector<Diagnostic> told;
  CallWatch watch{[this](const Diagnostic& note) { told.push_back(note); }, style()};
  StepKinds::Entry plugin{std::make_shared<toy::ToyKind>(), {"/plugins/toy.so", "", ""}};

  ~WatchedCalls() { Interrupt::request(0); }

  CallWatch::Style style() {
    CallWatch::Style style;
    style.own_thread = false;
    style.now = [this] { return time; };
    return style;
  }
  void pass(seconds span) {
    time += span;
    watch.tick();
  }
  void in_observe(const std::function<void()>& body) {
    plugin_call(plugin, "observe", Address("toy", "a"), &watch, body);
  }
};

}  // namespace

TEST_CASE("a call that does not return is told of once, with its module and the way out") {
  WatchedCalls world;
  world.in_observe([&] {
    world.pass(seconds(29));
    CHECK(world.told.empty());
    world.pass(seconds(1));
    world.pass(seconds(100));
  });
  REQUIRE(world.told.size() == 1);
  const Diagnostic& note = world.told.front();
  CHECK(note.severity == Severity::note);
  CHECK(note.summary == "observe() of `toy` has not returned for 30 s");
  CHECK(note.why == "the step waits inside its plugin /plugins/toy.so, which gpuplan cannot stop from here");
  CHECK(note.remedy ==
        "wait, or end gpuplan at once by pressing Ctrl-C twice; `gpuplan status` then tells what is left to be done");
  CHECK(note.address == "toy/a");
}

TEST_CASE("a call that returned is forgotten, also one that threw") {
  WatchedCalls world;
  world.in_observe([] {});
  CHECK_THROWS_AS(world.in_observe([] { throw 42; }), PluginDefect);
  world.pass(seconds(3600));
  CHECK(world.told.empty());
}

TEST_CASE("a call that gives signs of life is left alone") {
  WatchedCalls world;
  world.in_observe([&] {
    world.pass(seconds(20));
    CallWatch::sign_of_life();
    world.pass(seconds(20));
    CallWatch::sign_of_life(seconds(600));
    world.pass(seconds(599));
    CHECK(world.told.empty());
    world.pass(seconds(1));
  });
  REQUIRE(world.told.size() == 1);
  CHECK(world.told.front().summary == "observe() of `toy` has not returned for 10m 40s");
  CallWatch::sign_of_life();  // outside a call: nothing
}

TEST_CASE("after an interrupt a call has little time to return") {
  WatchedCalls world;
  world.in_observe([&] {
    world.pass(seconds(5));
    Interrupt::request(2);
    world.pass(seconds(0));
    world.pass(seconds(1));
    CHECK(world.told.empty());
    world.pass(seconds(1));
    world.pass(seconds(60));
  });
  REQUIRE(world.told.size() == 1);
  CHECK(world.told.front().summary == "observe() of `toy` has not returned for 7 s");
  CHECK_THAT(world.told.front().remedy, contains("Ctrl-C once more"));
}

TEST_CASE("each of several calls is told of by itself") {
  WatchedCalls world;
  world.in_observe([&] {
    world.pass(seconds(15));
    plugin_call(world.plugin, "check", Address("toy", "b"), &world.watch, [&] {
      world.pass(seconds(15));
      CHECK(world.told.size() == 1);
      world.pass(seconds(15));
    });
  });
  REQUIRE(world.told.size() == 2);
  CHECK(world.told[0].address == "toy/a");
  CHECK(world.told[1].address == "toy/b");
}
