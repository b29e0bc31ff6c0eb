#include "report/progress.h"

#include <fmt/format.h>

#include <algorithm>
#include <ostream>

#include "report/diagnostic.h"

namespace gpuplan {
namespace {

constexpr std::chrono::milliseconds refresh_interval{250};

double seconds_between(Progress::TimePoint from, Progress::TimePoint to) {
  return std::chrono::duration<double>(to - from).count();
}

// At most `width` characters, counted as code points; what is cut ends in "…".
std::string fit(const std::string& text, std::size_t width) {
  std::size_t characters = 0;
  std::size_t cut = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if ((static_cast<unsigned char>(text[i]) & 0xC0U) == 0x80U) continue;
    if (++characters == width) cut = i;
    if (characters > width) return text.substr(0, cut) + "…";
  }
  return text;
}

}  // namespace

std::string format_duration(double seconds) {
  if (seconds < 60) return fmt::format("{:.1f} s", std::max(0.0, seconds));
  return format_whole_duration(static_cast<std::int64_t>(seconds));
}

std::string format_whole_duration(std::int64_t seconds) {
  if (seconds < 60) return fmt::format("{} s", std::max<std::int64_t>(0, seconds));
  if (seconds < 3600) return fmt::format("{}m {:02}s", seconds / 60, seconds % 60);
  return fmt::format("{}h {:02}m", seconds / 3600, seconds % 3600 / 60);
}

Progress::Progress(std::ostream& out, Style style) : out_(out), style_(std::move(style)), began_(now()) {
  if (style_.own_thread) thread_ = std::thread([this] { run_thread(); });
}

Progress::~Progress() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
  erase_block();
  out_.flush();
}

Progress::TimePoint Progress::now() const { return style_.now ? style_.now() : std::chrono::steady_clock::now(); }

void Progress::run_thread() {
  std::unique_lock lock(mutex_);
  while (!wake_.wait_for(lock, refresh_interval, [this] { return stopping_; })) {
    lock.unlock();
    tick();
    lock.lock();
  }
}

void Progress::print(const std::string& text) {
  const std::lock_guard lock(mutex_);
  erase_block();
  out_ << text;
  if (text.empty() || text.back() != '\n') out_ << '\n';
  draw_block();
  out_.flush();
}

void Progress::set_total(std::size_t total) {
  const std::lock_guard lock(mutex_);
  total_ = total;
}

void Progress::start(const std::string& label) {
  const std::lock_guard lock(mutex_);
  works_.push_back({label, {}, now(), now()});
}

void Progress::detail(const std::string& label, const std::string& text) {
  const std::lock_guard lock(mutex_);
  for (Work& work : works_) {
    if (work.label == label) work.detail = printable(text);
  }
}

double Progress::finish(const std::string& label) {
  const std::lock_guard lock(mutex_);
  const auto found = std::find_if(works_.begin(), works_.end(), [&](const Work& work) { return work.label == label; });
  if (found == works_.end()) return 0;
  const double seconds = seconds_between(found->started, now());
  works_.erase(found);
  ++finished_;
  return seconds;
}

void Progress::tick() {
  const std::lock_guard lock(mutex_);
  if (style_.live) {
    erase_block();
    draw_block();
  } else {
    remind();
  }
  out_.flush();
}

void Progress::remind() {
  const TimePoint time = now();
  for (Work& work : works_) {
    if (time - work.mentioned < style_.reminder) continue;
    work.mentioned = time;
    out_ << fmt::format("{} still runs after {}{}{}\n", work.label,
                        format_duration(seconds_between(work.started, time)), work.detail.empty() ? "" : ": ",
                        work.detail);
  }
}

std::string Progress::block_line(const Work& work) const {
  const std::string elapsed = format_duration(seconds_between(work.started, now()));
  const std::string text =
      work.detail.empty() ? fmt::format("  {}", work.label) : fmt::format("  {}: {}", work.label, work.detail);
  // The elapsed time stays in sight however long the text is.
  const std::size_t tail = elapsed.size() + 3;
  return fit(text, style_.width > tail + 20 ? style_.width - tail - 1 : 20) + " (" + elapsed + ")";
}

void Progress::draw_block() {
  if (!style_.live || works_.empty()) return;
  out_ << fit(fmt::format("[{}/{}] {} running, {}", finished_, std::max(total_, finished_), works_.size(),
                          format_duration(seconds_between(began_, now()))),
              style_.width - 1)
       << '\n';
  drawn_lines_ = 1;
  for (std::size_t i = 0; i < works_.size(); ++i) {
    if (drawn_lines_ + 1 >= style_.max_lines && works_.size() - i > 1) {
      out_ << fmt::format("  … and {} more\n", works_.size() - i);
      ++drawn_lines_;
      break;
    }
    out_ << block_line(works_[i]) << '\n';
    ++drawn_lines_;
  }
}

void Progress::erase_block() {
  for (; drawn_lines_ > 0; --drawn_lines_) out_ << "\033[A\r\033[K";
}

}  // namespace gpuplan
