#include "apply/task_graph.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <random>
#include <stdexcept>

#include "support/catch.h"

using namespace gpuplan;

namespace {
const auto always = [] { return true; };
}

TEST_CASE("tasks run after what they wait for, whatever the parallelism") {
  for (const std::size_t parallelism : {1U, 4U, 64U}) {
    std::mt19937 random(7);
    std::vector<Task> tasks(200);
    for (std::size_t i = 1; i < tasks.size(); ++i) {
      for (int edge = 0; edge < 3; ++edge) {
        const std::size_t before = random() % i;
        if (std::find(tasks[i].after.begin(), tasks[i].after.end(), before) == tasks[i].after.end()) tasks[i].after.push_back(before);
      }
    }
    std::vector<std::atomic<bool>> done(tasks.size());
    std::atomic<bool> in_order{true};
    const auto ends = run_tasks(tasks, parallelism, always, [&](std::size_t i) {
      for (const std::size_t before : tasks[i].after) {
        if (!done[before]) in_order = false;
      }
      done[i] = true;
      return TaskEnd::done;
    });
    CHECK(in_order);
    CHECK(std::count(ends.begin(), ends.end(), TaskEnd::done) == 200);
  }
}

TEST_CASE("a failed task stops what waits for it, not its neighbours") {
  const std::vector<Task> tasks = {{{}, 0}, {{0}, 0}, {{1}, 0}, {{}, 0}};
  const auto ends = run_tasks(tasks, 2, always, [](std::size_t i) { return i == 0 ? TaskEnd::failed : TaskEnd::done; });
  CHECK(ends == std::vector<TaskEnd>{TaskEnd::failed, TaskEnd::not_started, TaskEnd::not_started, TaskEnd::done});
}

TEST_CASE("the last phase waits for everything else, and does not begin after a failure") {
  std::mutex mutex;
  std::vector<std::size_t> order;
  const std::vector<Task> tasks = {{{}, 1}, {{}, 0}, {{1}, 0}};
  const auto record = [&](std::size_t i) {
    const std::lock_guard<std::mutex> lock(mutex);
    order.push_back(i);
  };
  SECTION("all is well") {
    run_tasks(tasks, 4, always, [&](std::size_t i) { record(i); return TaskEnd::done; });
    CHECK(order == std::vector<std::size_t>{1, 2, 0});
  }
  SECTION("one of the others fails") {
    run_tasks(tasks, 4, always, [&](std::size_t i) { record(i); return i == 2 ? TaskEnd::failed : TaskEnd::done; });
    CHECK(order == std::vector<std::size_t>{1, 2});
  }
}

TEST_CASE("nothing new starts once starting is forbidden") {
  std::atomic<int> started{0};
  const std::vector<Task> tasks = {{{}, 0}, {{0}, 0}};
  const auto ends = run_tasks(tasks, 4, [&] { return started == 0; }, [&](std::size_t) { ++started; return TaskEnd::done; });
  CHECK(ends == std::vector<TaskEnd>{TaskEnd::done, TaskEnd::not_started});
}

TEST_CASE("an exception of a task comes out when nothing runs any more") {
  const std::vector<Task> tasks = {{{}, 0}, {{0}, 0}};
  std::atomic<int> runs{0};
  CHECK_THROWS_AS(run_tasks(tasks, 3, always, [&](std::size_t) -> TaskEnd { ++runs; throw std::runtime_error("boom"); }),
                  std::runtime_error);
  CHECK(runs == 1);
}
