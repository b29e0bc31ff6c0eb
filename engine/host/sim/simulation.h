// The model in use: one lock, its clock, and its store.
#pragma once

#include <functional>
#include <mutex>
#include <utility>

#include "host/sim/clock.h"
#include "host/sim/model.h"
#include "host/sim/store.h"

namespace gpuplan::sim {

// What every port of a simulated host works on. Thread-safe: the lock is held only while `act` runs,
// never while somebody sleeps.
class Simulation {
 public:
  Simulation(std::unique_ptr<Store> store, Model model);
  ~Simulation();
  Simulation(const Simulation&) = delete;
  Simulation& operator=(const Simulation&) = delete;

  // act(Model&, now) on the settled model. It may complete what is lazily computed, no more.
  template <class Act>
  auto look(Act act) {
    const std::lock_guard<std::mutex> lock(mutex_);
    const std::int64_t now = clock_.now();
    settle(model_, now);
    return act(model_, now);
  }

  // act(Model&, now), then the model is saved. An exception of `act` means that it changed nothing.
  template <class Act>
  auto change(Act act) {
    const std::lock_guard<std::mutex> lock(mutex_);
    begin_change();
    if constexpr (std::is_void_v<decltype(act(model_, std::int64_t{}))>) {
      act(model_, model_.time);
      store_->save(model_);
    } else {
      auto result = act(model_, model_.time);
      store_->save(model_);
      return result;
    }
  }

  VirtualClock& clock() { return clock_; }
  const Store& store() const { return *store_; }

 private:
  void begin_change();

  std::mutex mutex_;
  std::unique_ptr<Store> store_;
  Model model_;
  VirtualClock clock_;
};

}  // namespace gpuplan::sim
