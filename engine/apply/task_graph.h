// Runs tasks that wait for one another, ready ones in parallel.
#pragma once

#include <cstddef>
#include <functional>
#include <vector>

namespace gpuplan {

struct Task {
  std::vector<std::size_t> after;  // indexes of tasks that must be done before
  std::size_t phase = 0;           // starts only when every task of a lower phase is done
};

enum class TaskEnd {
  not_started,  // because something before it did not get done, or because starting was stopped
  done,
  held,         // done, but nothing after it may start now
  failed,
  interrupted,  // started, and gave up on its own because of an interrupt
};

// Runs every task once, on up to `parallelism` threads, and returns how each ended. A task starts when
// all before it are done; lowest index first among those ready. When `may_start` returns false nothing
// new starts. If `body` throws, nothing new starts, and the first exception is thrown again once no
// task runs any more.
std::vector<TaskEnd> run_tasks(const std::vector<Task>& tasks, std::size_t parallelism,
                               const std::function<bool()>& may_start,
                               const std::function<TaskEnd(std::size_t)>& body);

}  // namespace gpuplan
