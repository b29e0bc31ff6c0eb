// The events of a run as lines for people.
#pragma once

#include <string>

#include "apply/run_events.h"
#include "report/progress.h"

namespace gpuplan::command {

// Prints one line per stage that starts, ends or fails, and shows what runs in `progress`.
class TextEvents : public RunEvents {
 public:
  TextEvents(Progress& progress, bool color) : progress_(progress), color_(color) {}

  void run_started(std::int64_t run, std::size_t stages) override;
  void stage_started(const Change& change, Stage stage, bool undo) override;
  void stage_progress(const Change& change, Stage stage, const std::string& text) override;
  void stage_finished(const Change& change, Stage stage, bool undo, double seconds) override;
  void stage_interrupted(const Change& change, Stage stage, bool undo) override;
  void stage_failed(const Change& change, Stage stage, bool undo, const std::string& error,
                    const std::string& output_tail) override;

 private:
  std::string painted(const std::string& text, const char* color) const;

  Progress& progress_;
  bool color_;
  bool undoing_ = false;
};

// What a stage of a change does, as a verb: "create", "release", "undo create".
std::string stage_words(const Change& change, Stage stage, bool undo);

}  // namespace gpuplan::command
