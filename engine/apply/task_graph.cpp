#include "apply/task_graph.h"

#include <algorithm>
#include <condition_variable>
#include <exception>
#include <functional>
#include <mutex>
#include <queue>
#include <thread>

namespace gpuplan {
namespace {

class TaskRun {
 public:
  TaskRun(const std::vector<Task>& tasks, const std::function<bool()>& may_start,
          const std::function<TaskEnd(std::size_t)>& body)
      : tasks_(tasks), may_start_(may_start), body_(body), ends_(tasks.size(), TaskEnd::not_started),
        waiting_for_(tasks.size()), dependents_(tasks.size()) {
    for (std::size_t i = 0; i < tasks_.size(); ++i) {
      waiting_for_[i] = tasks_[i].after.size();
      for (const std::size_t before : tasks_[i].after) dependents_[before].push_back(i);
      if (left_in_phase_.size() <= tasks_[i].phase) left_in_phase_.resize(tasks_[i].phase + 1);
      ++left_in_phase_[tasks_[i].phase];
    }
    for (std::size_t i = 0; i < tasks_.size(); ++i) {
      if (waiting_for_[i] == 0) make_ready(i);
    }
    open_phases();
  }

  std::vector<TaskEnd> run(std::size_t parallelism) {
    std::vector<std::thread> threads;
    thread_count_ = std::min(tasks_.size(), std::max<std::size_t>(parallelism, 1));
    for (std::size_t i = 1; i < thread_count_; ++i) threads.emplace_back([this] { work(); });
    work();
    for (std::thread& thread : threads) thread.join();
    if (thrown_) std::rethrow_exception(thrown_);
    return std::move(ends_);
  }

 private:
  void work() {
    std::unique_lock<std::mutex> lock(mutex_);
    while (true) {
      changed_.wait(lock, [this] { return !ready_.empty() || running_ == 0 || stopped_; });
      if (stopped_ || ready_.empty() || !may_start_()) break;
      const std::size_t task = ready_.top();
      ready_.pop();
      ++running_;
      lock.unlock();
      TaskEnd end = TaskEnd::failed;
      std::exception_ptr thrown;
      try {
        end = body_(task);
      } catch (...) {
        thrown = std::current_exception();
      }
      lock.lock();
      --running_;
      finish(task, end, thrown);
      wake_others();
    }
    changed_.notify_all();
  }

  // As many as there is work for besides what this thread takes next; all if there is none to come.
  void wake_others() {
    if (stopped_ || (ready_.empty() && running_ == 0)) return changed_.notify_all();
    for (std::size_t i = 1; i < ready_.size() && i < thread_count_; ++i) changed_.notify_one();
  }

  void finish(std::size_t task, TaskEnd end, const std::exception_ptr& thrown) {
    ends_[task] = end;
    if (thrown) {
      stopped_ = true;
      if (!thrown_) thrown_ = thrown;
      return;
    }
    if (end != TaskEnd::done) return;
    for (const std::size_t next : dependents_[task]) {
      if (--waiting_for_[next] == 0) make_ready(next);
    }
    --left_in_phase_[tasks_[task].phase];
    open_phases();
  }

  void make_ready(std::size_t task) {
    if (tasks_[task].phase > open_phase_) held_back_.push_back(task);
    else ready_.push(task);
  }

  void open_phases() {
    while (open_phase_ < left_in_phase_.size() && left_in_phase_[open_phase_] == 0) ++open_phase_;
    const auto still_closed = [this](std::size_t task) { return tasks_[task].phase > open_phase_; };
    const auto open = std::stable_partition(held_back_.begin(), held_back_.end(), still_closed);
    for (auto task = open; task != held_back_.end(); ++task) ready_.push(*task);
    held_back_.erase(open, held_back_.end());
  }

  const std::vector<Task>& tasks_;
  const std::function<bool()>& may_start_;
  const std::function<TaskEnd(std::size_t)>& body_;
  std::vector<TaskEnd> ends_;
  std::vector<std::size_t> waiting_for_;
  std::vector<std::vector<std::size_t>> dependents_;
  std::vector<std::size_t> left_in_phase_;
  std::size_t open_phase_ = 0;
  std::vector<std::size_t> held_back_;
  std::priority_queue<std::size_t, std::vector<std::size_t>, std::greater<>> ready_;
  std::size_t thread_count_ = 0;
  std::size_t running_ = 0;
  bool stopped_ = false;
  std::exception_ptr thrown_;
  std::mutex mutex_;
  std::condition_variable changed_;
};

}  // namespace

std::vector<TaskEnd> run_tasks(const std::vector<Task>& tasks, std::size_t parallelism,
                               const std::function<bool()>& may_start,
                               const std::function<TaskEnd(std::size_t)>& body) {
  return TaskRun(tasks, may_start, body).run(parallelism);
}

}  // namespace gpuplan
