#include "command/run_events_text.h"

#include <fmt/format.h>

#include "report/diagnostic.h"

namespace gpuplan::command {
namespace {

std::string_view forward_words(const Change& change, Stage stage) {
  if (stage == Stage::commit) return "finish for good";
  const bool withdraw = stage == Stage::withdraw;
  switch (change.action) {
    case Action::create: return "create";
    case Action::update: return withdraw ? "let go" : "update";
    case Action::replace: return withdraw ? "take away" : "make anew";
    case Action::remove: return "remove";
    case Action::none: break;
  }
  return "look";
}

std::string label(const Change& change, Stage stage, bool undo) {
  return fmt::format("{}: {}", change.address.to_string(), stage_words(change, stage, undo));
}

// The lines of `text`, each behind a bar.
std::string quoted_lines(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    out += fmt::format("    | {}\n", printable(text.substr(0, end)));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return out;
}

}  // namespace

std::string stage_words(const Change& change, Stage stage, bool undo) {
  return fmt::format("{}{}", undo ? "undo " : "", forward_words(change, stage));
}

std::string TextEvents::painted(const std::string& text, const char* color) const {
  return color_ ? fmt::format("\033[{}m{}\033[0m", color, text) : text;
}

void TextEvents::run_started(std::int64_t run, std::size_t stages) {
  progress_.set_total(stages);
  progress_.print(fmt::format("Run {}: {} step{}", run, stages, stages == 1 ? "" : "s"));
}

void TextEvents::stage_started(const Change& change, Stage stage, bool undo) {
  undoing_ = undo;
  progress_.start(label(change, stage, undo));
  // On a terminal the block below shows what runs.
  if (!progress_.live()) progress_.print(fmt::format("  {} …", label(change, stage, undo)));
}

void TextEvents::stage_progress(const Change& change, Stage stage, const std::string& text) {
  progress_.detail(label(change, stage, undoing_), text);
}

void TextEvents::stage_finished(const Change& change, Stage stage, bool undo, double seconds) {
  progress_.finish(label(change, stage, undo));
  progress_.print(fmt::format("  {}: {} ({})", label(change, stage, undo), painted("done", "32"),
                              format_duration(seconds)));
}

void TextEvents::stage_failed(const Change& change, Stage stage, bool undo, const std::string& error,
                              const std::string& output_tail) {
  progress_.finish(label(change, stage, undo));
  progress_.print(fmt::format("  {}: {}: {}\n{}", label(change, stage, undo), painted("failed", "1;31"),
                              printable(error), quoted_lines(output_tail)));
}

void TextEvents::stage_interrupted(const Change& change, Stage stage, bool undo) {
  progress_.finish(label(change, stage, undo));
  progress_.print(fmt::format("  {}: {}", label(change, stage, undo), painted("interrupted", "33")));
}

}  // namespace gpuplan::command
