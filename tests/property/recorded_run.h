// What a run did, in which order, and whether that was an order that it may have.
#pragma once

#include <string>
#include <vector>

#include "apply/run_events.h"
#include "plan/owned.h"
#include "plan/plan.h"

namespace property {

// Notes the starts and ends of stages; can interrupt the run at one.
class RecordedRun : public gpuplan::RunEvents {
 public:
  struct Moment {
    std::string stage;  // "apply toy/r1"
    bool end = false;
  };

  explicit RecordedRun(std::size_t interrupt_at = 0) : interrupt_at_(interrupt_at) {}
  const std::vector<Moment>& moments() const { return moments_; }

  void stage_started(const gpuplan::Change& change, gpuplan::Stage stage, bool undo) override;
  void stage_finished(const gpuplan::Change& change, gpuplan::Stage stage, bool undo, double seconds) override;

 private:
  std::size_t interrupt_at_;
  std::size_t started_ = 0;
  std::vector<Moment> moments_;
};

// The first edge or phase of `plan` that the run did not honour; empty if it honoured all.
std::string broken_edge(const gpuplan::Plan& plan, const RecordedRun& run);

// The first of the rules of engine/README.md ("Order of stages") that the run broke, found from the
// declarations alone, without the stages of the plan. `owned` is what was owned before it.
std::string broken_rule(const gpuplan::Plan& plan, const std::vector<gpuplan::OwnedResource>& owned,
                        const RecordedRun& run);

}  // namespace property
