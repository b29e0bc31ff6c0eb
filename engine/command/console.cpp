#include "command/console.h"

#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <iostream>
#include <string_view>

#include "host/interrupt.h"
#include "plan/plan.h"
#include "plan/print_json.h"

namespace gpuplan::command {
namespace {

bool is_terminal(int descriptor) {
  const char* term = std::getenv("TERM");
  return isatty(descriptor) == 1 && term != nullptr && std::string_view(term) != "dumb";
}

bool wants_color(ColorMode mode, int descriptor) {
  if (mode == ColorMode::automatic) return is_terminal(descriptor);
  return mode == ColorMode::always;
}

// A terminal that closes ends the line before its SIGHUP comes, or there is none, as below setsid(1). Either way nobody
// has answered.
void require_terminal() {
  constexpr auto time_for_signal = std::chrono::seconds(1);
  struct pollfd in {STDIN_FILENO, POLLIN, 0};
  if (poll(&in, 1, 0) <= 0 || (in.revents & (POLLHUP | POLLERR)) == 0) return;
  Interrupt::sleep_for(time_for_signal);
  if (!Interrupt::requested()) Interrupt::request(SIGHUP);
  throw Interrupted();
}

// Reads up to a newline without blocking in read(2): an interrupt must be seen at once.
std::string read_line() {
  std::string line;
  while (true) {
    if (Interrupt::requested()) throw Interrupted();
    struct pollfd wait {STDIN_FILENO, POLLIN, 0};
    if (poll(&wait, 1, 100) <= 0) continue;
    char c = 0;
    const ssize_t count = read(STDIN_FILENO, &c, 1);
    if (count <= 0) require_terminal();
    if (count <= 0 || c == '\n') return line;
    line += c;
  }
}

}  // namespace

Console::Console(ColorMode color, bool json)
    : json_(json),
      color_out_(!json && wants_color(color, STDOUT_FILENO)),
      color_err_(wants_color(color, STDERR_FILENO)),
      can_ask_(!json && isatty(STDIN_FILENO) == 1 && isatty(STDOUT_FILENO) == 1),
      live_(!json && is_terminal(STDOUT_FILENO)),
      live_err_(is_terminal(STDERR_FILENO)) {}

std::ostream& Console::out() { return std::cout; }
std::ostream& Console::err() { return std::cerr; }

void Console::show(const std::vector<Diagnostic>& problems) {
  std::cout.flush();
  for (const Diagnostic& problem : problems) std::cerr << render(problem, color_err_);
}

void Console::show_aside(const Diagnostic& note) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const std::shared_ptr<Progress> progress = progress_.lock();
  if (progress && progress->live()) {
    progress->print(render(note, color_out_));
    return;
  }
  // What passing_text() left on the line gives way.
  std::cerr << (live_err_ ? "\r\033[K" : "") << render(note, color_err_) << std::flush;
}

void Console::event(Json event) {
  event["format_version"] = plan_format_version;
  std::cout << to_line(event) << std::endl;
}

void Console::document(const Json& document) {
  errno = 0;
  std::cout << to_document(document) << std::flush;
  if (!std::cout) output_error_ = errno;
}

std::optional<int> Console::end_output() {
  errno = 0;
  std::cout.flush();
  if (std::cout) return std::nullopt;
  return output_error_ == 0 ? errno : output_error_;
}

bool Console::ask(const std::string& question) {
  std::cout << question << std::flush;
  const bool yes = read_line() == "yes";
  std::cout << '\n';
  return yes;
}

std::shared_ptr<Progress> Console::progress() {
  Progress::Style style;
  style.live = live_;
  struct winsize size {};
  if (live_ && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) {
    style.width = size.ws_col;
    style.max_lines = size.ws_row > 8 ? size.ws_row / 2U : 4U;
  }
  auto progress = std::make_shared<Progress>(std::cout, style);
  const std::lock_guard<std::mutex> lock(mutex_);
  progress_ = progress;
  return progress;
}

std::function<void(const std::string&)> Console::passing_text() {
  if (!live_err_) return {};
  struct Line {
    Line() = default;
    Line(const Line&) = delete;
    Line& operator=(const Line&) = delete;
    ~Line() { std::cerr << "\r\033[K" << std::flush; }
  };
  return [line = std::make_shared<Line>()](const std::string& text) {
    std::cerr << "\r\033[K" << text << std::flush;
  };
}

}  // namespace gpuplan::command
