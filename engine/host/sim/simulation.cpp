#include "host/sim/simulation.h"

namespace gpuplan::sim {

Simulation::Simulation(std::unique_ptr<Store> store, Model model)
    : store_(std::move(store)), model_(std::move(model)), clock_(model_.time, model_.clock_speed) {}

Simulation::~Simulation() {
  // Time that has passed since the last change, or was waited for, belongs to the model: a shutdown
  // may have ended. A process that only looked leaves no trace.
  if (!store_->changes_begun() && !clock_.has_slept()) return;
  try {
    begin_change();
    store_->save(model_);
  } catch (const HostError&) {
    return;  // the model is as it was after the last change
  }
}

void Simulation::begin_change() {
  if (auto newer = store_->begin_changes()) {
    model_ = std::move(*newer);
    clock_.move_to(model_.time);
  }
  model_.time = clock_.now();
  settle(model_, model_.time);
}

}  // namespace gpuplan::sim
