// The terminal, or what stands in for it.
#pragma once

#include <functional>
#include <iosfwd>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "command/options.h"
#include "json/json.h"
#include "report/diagnostic.h"
#include "report/progress.h"

namespace gpuplan::command {

// Where a command writes to and asks. stdout is the result, stderr the log.
class Console {
 public:
  Console(ColorMode color, bool json);

  std::ostream& out();
  std::ostream& err();
  bool json() const { return json_; }
  bool color_out() const { return color_out_; }
  // stdin and stdout are a terminal: somebody can answer a question.
  bool can_ask() const { return can_ask_; }

  // Problems of every severity, on stderr.
  void show(const std::vector<Diagnostic>& problems);
  // A note about what goes on right now, on stderr; above the live block while there is one. Thread-safe.
  void show_aside(const Diagnostic& note);
  // One line of a stream of events, on stdout; format_version is added.
  void event(Json event);
  // A whole document, on stdout.
  void document(const Json& document);
  // Passes on what stdout still holds back. Nothing if all of it got where it goes; else the errno of what kept it from
  // that, or 0 if nobody saw it.
  std::optional<int> end_output();

  // Shows `question` and reads one line. True only for "yes". Throws Interrupted on Ctrl-C, and when the terminal
  // closes.
  bool ask(const std::string& question);

  // For a run: live on a terminal, plain otherwise.
  std::shared_ptr<Progress> progress();
  // A short text that replaces itself on stderr, for planning; does nothing without a terminal. The
  // text goes away when the last copy of the function does.
  std::function<void(const std::string&)> passing_text();

 private:
  bool json_;
  bool color_out_;
  bool color_err_;
  bool can_ask_;
  bool live_;
  bool live_err_;
  int output_error_ = 0;
  std::mutex mutex_;
  std::weak_ptr<Progress> progress_;  // under mutex_
};

}  // namespace gpuplan::command
