#include "plan/call_watch.h"

#include <fmt/format.h>

#include <algorithm>

#include "host/interrupt.h"
#include "report/progress.h"
#include "report/shell.h"

namespace gpuplan {
namespace {

constexpr std::chrono::milliseconds tick_interval{250};
thread_local CallWatch::Scope* innermost = nullptr;

}  // namespace

CallWatch::CallWatch(std::function<void(const Diagnostic&)> tell, Style style)
    : tell_(std::move(tell)), style_(std::move(style)) {}

CallWatch::CallWatch(std::function<void(const Diagnostic&)> tell) : CallWatch(std::move(tell), Style{}) {}

CallWatch::~CallWatch() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

CallWatch::Scope::Scope(CallWatch* watch, std::string call, std::string module, std::string address)
    : watch_(watch),
      outer_(innermost),
      call_(std::move(call)),
      module_(std::move(module)),
      address_(std::move(address)) {
  innermost = this;
  if (watch_ == nullptr) return;
  const std::lock_guard<std::mutex> lock(watch_->mutex_);
  started_ = watch_->now();
  silent_until_ = started_ + watch_->style_.silence;
  watch_->calls_.push_back(this);
  if (watch_->style_.own_thread && !watch_->thread_.joinable()) {
    watch_->thread_ = std::thread([watch] { watch->run_thread(); });
  }
}

CallWatch::Scope::~Scope() {
  innermost = outer_;
  if (watch_ == nullptr) return;
  const std::lock_guard<std::mutex> lock(watch_->mutex_);
  watch_->calls_.remove(this);
}

void CallWatch::sign_of_life(std::chrono::seconds limit) {
  Scope* const scope = innermost;
  if (scope == nullptr || scope->watch_ == nullptr) return;
  CallWatch& watch = *scope->watch_;
  const std::lock_guard<std::mutex> lock(watch.mutex_);
  scope->silent_until_ = watch.now() + std::max(limit, watch.style_.silence);
  scope->told_silence_ = false;
}

void CallWatch::tick() {
  const std::lock_guard<std::mutex> lock(mutex_);
  const TimePoint time = now();
  if (!Interrupt::requested()) interrupted_since_ = {};
  else if (interrupted_since_ == TimePoint{}) interrupted_since_ = time;
  const bool interrupted = interrupted_since_ != TimePoint{};
  for (Scope* scope : calls_) {
    if (interrupted && !scope->told_interrupt_ &&
        time - std::max(interrupted_since_, scope->started_) >= style_.after_interrupt) {
      scope->told_interrupt_ = scope->told_silence_ = true;
      tell_of(*scope, time, true);
    } else if (!scope->told_silence_ && time >= scope->silent_until_) {
      scope->told_silence_ = true;
      tell_of(*scope, time, interrupted);
    }
  }
}

void CallWatch::tell_of(Scope& scope, TimePoint time, bool interrupted) {
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(time - scope.started_).count();
  Diagnostic note;
  note.severity = Severity::note;
  note.summary = fmt::format("{} has not returned for {}", scope.call_, format_whole_duration(seconds));
  note.why = fmt::format("the step waits inside its plugin{}, which gpuplan cannot stop from here",
                         scope.module_.empty() ? "" : " " + scope.module_);
  note.remedy = fmt::format("wait, or end gpuplan at once by pressing Ctrl-C {}; `{}` then tells what is left to be done",
                            interrupted ? "once more" : "twice", suggested("status"));
  note.address = scope.address_;
  tell_(note);
}

CallWatch::TimePoint CallWatch::now() const { return style_.now ? style_.now() : std::chrono::steady_clock::now(); }

void CallWatch::run_thread() {
  std::unique_lock<std::mutex> lock(mutex_);
  while (!wake_.wait_for(lock, tick_interval, [this] { return stopping_; })) {
    lock.unlock();
    tick();
    lock.lock();
  }
}

}  // namespace gpuplan
