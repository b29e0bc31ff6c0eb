#include "command/run_events_json.h"

namespace gpuplan::command {
namespace {

Json stage_event(std::string_view type, const Change& change, Stage stage) {
  return {{"type", type}, {"address", change.address.to_string()}, {"stage", to_string(stage)}};
}

}  // namespace

void JsonEvents::run_started(std::int64_t run, std::size_t stages) {
  console_.event({{"type", "run_started"}, {"run", run}, {"stages", stages}});
}

void JsonEvents::stage_started(const Change& change, Stage stage, bool undo) {
  Json event = stage_event("stage_started", change, stage);
  event["undo"] = undo;
  console_.event(std::move(event));
}

void JsonEvents::stage_progress(const Change& change, Stage stage, const std::string& text) {
  Json event = stage_event("stage_progress", change, stage);
  event["text"] = text;
  console_.event(std::move(event));
}

void JsonEvents::stage_finished(const Change& change, Stage stage, bool undo, double seconds) {
  Json event = stage_event("stage_finished", change, stage);
  event["undo"] = undo;
  event["seconds"] = seconds;
  console_.event(std::move(event));
}

void JsonEvents::stage_failed(const Change& change, Stage stage, bool undo, const std::string& error,
                              const std::string& output_tail) {
  Json event = stage_event("stage_failed", change, stage);
  event["undo"] = undo;
  event["error"] = error;
  event["output_tail"] = output_tail;
  console_.event(std::move(event));
}

void JsonEvents::stage_interrupted(const Change& change, Stage stage, bool undo) {
  Json event = stage_event("stage_interrupted", change, stage);
  event["undo"] = undo;
  console_.event(std::move(event));
}

void JsonEvents::resource_ended(const Change& change, ResourceState state) {
  console_.event({{"type", "resource_ended"}, {"address", change.address.to_string()}, {"state", to_string(state)}});
}

}  // namespace gpuplan::command
