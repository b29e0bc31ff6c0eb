// What happens during a run, as it happens.
#pragma once

#include <cstdint>
#include <string>

#include "apply/journal.h"
#include "plugin/resource.h"

namespace gpuplan {

// Receives the events of a run, one at a time, from whichever thread they happen on.
class RunEvents {
 public:
  virtual ~RunEvents() = default;
  virtual void run_started(std::int64_t /*run*/, std::size_t /*stages*/) {}
  virtual void stage_started(const Change& /*change*/, Stage /*stage*/, bool /*undo*/) {}
  // What a running stage is doing or waiting for.
  virtual void stage_progress(const Change& /*change*/, Stage /*stage*/, const std::string& /*text*/) {}
  virtual void stage_finished(const Change& /*change*/, Stage /*stage*/, bool /*undo*/, double /*seconds*/) {}
  // It gave up on its own because of an interrupt; what it did can be undone or completed.
  virtual void stage_interrupted(const Change& /*change*/, Stage /*stage*/, bool /*undo*/) {}
  virtual void stage_failed(const Change& /*change*/, Stage /*stage*/, bool /*undo*/, const std::string& /*error*/,
                            const std::string& /*output_tail*/) {}
  // The final state of a resource, once per resource.
  virtual void resource_ended(const Change& /*change*/, ResourceState /*state*/) {}
};

}  // namespace gpuplan
