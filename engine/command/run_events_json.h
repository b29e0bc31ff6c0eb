// The events of a run as lines of JSON.
#pragma once

#include "apply/run_events.h"
#include "command/console.h"

namespace gpuplan::command {

// Prints one JSON object per event: type, and what belongs to it. engine/README.md has the list.
class JsonEvents : public RunEvents {
 public:
  explicit JsonEvents(Console& console) : console_(console) {}

  void run_started(std::int64_t run, std::size_t stages) override;
  void stage_started(const Change& change, Stage stage, bool undo) override;
  void stage_progress(const Change& change, Stage stage, const std::string& text) override;
  void stage_finished(const Change& change, Stage stage, bool undo, double seconds) override;
  void stage_interrupted(const Change& change, Stage stage, bool undo) override;
  void stage_failed(const Change& change, Stage stage, bool undo, const std::string& error,
                    const std::string& output_tail) override;
  void resource_ended(const Change& change, ResourceState state) override;

 private:
  Console& console_;
};

}  // namespace gpuplan::command
