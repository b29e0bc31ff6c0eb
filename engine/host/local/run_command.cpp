#include "host/local/run_command.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <array>
#include <boost/process/args.hpp>
#include <boost/process/child.hpp>
#include <boost/process/env.hpp>
#include <boost/process/environment.hpp>
#include <boost/process/exe.hpp>
#include <boost/process/extend.hpp>
#include <boost/process/handles.hpp>
#include <boost/process/io.hpp>
#include <boost/process/search_path.hpp>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <type_traits>

#include "host/files/descriptor.h"

namespace gpuplan {
namespace {

namespace process = boost::process;
using std::chrono::steady_clock;

constexpr std::size_t output_cap = 16U << 20U;
constexpr std::size_t errors_cap = 1U << 20U;
constexpr std::chrono::seconds time_to_die{2};

// What a child does between fork and exec besides taking its streams: it leaves the terminal's reach, ends with the thread
// that waits for it (whoever takes the lock of a killed run meets none of its programs), takes default signal dispositions,
// and reports an exec that fails. Boost's own pipe for such a report is closed by limit_handles.
struct Containment : process::extend::handler, process::extend::uses_handles {
  explicit Containment(int report) : report_to(report) {}
  int report_to;
  pid_t parent = getpid();

  int get_used_handles() const { return report_to; }
  template <typename Executor>
  void on_exec_setup(Executor&) const {
    setsid();
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(EXIT_FAILURE);  // it was killed before that
    for (const int number : {SIGPIPE, SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGCHLD}) std::signal(number, SIG_DFL);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, nullptr);
  }
  template <typename Executor>
  void on_exec_error(Executor&, const std::error_code& error) const {
    const int number = error.value();
    if (::write(report_to, &number, sizeof number) < 0) _exit(EXIT_FAILURE);
    _exit(EXIT_FAILURE);
  }
};

// A stdio stream over a descriptor, which is how Boost.Process takes one; closes it.
class Stream {
 public:
  Stream(Descriptor descriptor, const char* mode) : descriptor_(std::move(descriptor)), file_(nullptr) {
    const int copy = fcntl(descriptor_.get(), F_DUPFD_CLOEXEC, 3);
    if (copy >= 0) file_ = fdopen(copy, mode);
    descriptor_.close();
  }
  ~Stream() { close(); }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  FILE* get() const { return file_; }
  void close() {
    if (file_ != nullptr) fclose(std::exchange(file_, nullptr));
  }

 private:
  Descriptor descriptor_;
  FILE* file_;
};

// One stream of a command: everything is read, a limited part is kept.
class Capture {
 public:
  Capture(Descriptor source, std::size_t cap, bool keep_end) : source_(std::move(source)), cap_(cap), keep_end_(keep_end) {
    set_nonblocking(source_);
  }

  // -1, which poll ignores, once the stream has ended.
  int descriptor() const { return source_.get(); }
  // Takes what is there now.
  void drain() {
    std::array<char, 64U << 10U> chunk{};
    while (source_) {
      const ssize_t count = ::read(source_.get(), chunk.data(), chunk.size());
      if (interrupted_call(count)) continue;
      if (count < 0) return;  // EAGAIN: no more for now
      if (count == 0) return source_.close();
      keep(chunk.data(), static_cast<std::size_t>(count));
    }
  }
  std::string take() {
    if (kept_.size() > cap_) kept_.erase(0, kept_.size() - cap_);
    return std::move(kept_);
  }

 private:
  void keep(const char* bytes, std::size_t count) {
    if (!keep_end_) count = std::min(count, cap_ - kept_.size());
    kept_.append(bytes, count);
    if (kept_.size() > 2 * cap_) kept_.erase(0, kept_.size() - cap_);
  }

  Descriptor source_;
  std::size_t cap_;
  bool keep_end_;
  std::string kept_;
};

std::string path_text() {
  std::string text;
  for (const std::string& directory : command_path()) text += (text.empty() ? "" : ":") + directory;
  return text;
}

std::string find_program(const Command& command) {
  const std::string name = command.argv.empty() ? "" : command.argv.front();
  if (name.find('/') != std::string::npos) {
    if (access(name.c_str(), X_OK) == 0) return name;
    const int error = errno;
    throw HostError(kind_of_errno(error), join_argv(command.argv),
                    fmt::format("cannot run {}: {}", name, words_for_errno(error)));
  }
  const auto directories = command_path();
  const std::string found =
      name.empty() ? "" : process::search_path(name, {directories.begin(), directories.end()}).string();
  if (found.empty()) {
    throw HostError(HostError::Kind::not_found, join_argv(command.argv),
                    fmt::format("cannot run {}: there is no such program in {}", name, path_text()));
  }
  return found;
}

process::environment clean_environment() {
  process::environment environment;
  environment["PATH"] = path_text();
  environment["LC_ALL"] = "C";
  const char* home = std::getenv("HOME");
  environment["HOME"] = home != nullptr && *home != '\0' ? home : "/root";
  return environment;
}

[[noreturn]] void cannot_start(const Command& command, int error) {
  throw HostError(kind_of_errno(error), join_argv(command.argv),
                  fmt::format("cannot run {}: {}", command.argv.front(), words_for_errno(error)));
}

// A command that runs, and what it has said so far.
class Running {
 public:
  Running(const Command& command, const std::string& program) : Running(command, program, make_pipe(), make_pipe()) {}

  // Its exit status; nothing if it still runs at the deadline.
  std::optional<int> wait_until(SteadyTime deadline) {
    for (;;) {
      std::array<pollfd, 3> events{pollfd{output_.descriptor(), POLLIN, 0}, pollfd{errors_.descriptor(), POLLIN, 0},
                                   pollfd{pidfd_.get(), POLLIN, 0}};
      const int left = milliseconds_until(deadline);
      poll(events.data(), events.size(), pidfd_ ? left : std::min(left, 20));
      const auto status = wait_for_child(pid_, pidfd_, steady_clock::now());
      // After the end was seen, so that nothing it wrote is missed. Its own children may go on writing.
      output_.drain();
      errors_.drain();
      if (status || left == 0) return status;
    }
  }
  // False if it is still there afterwards.
  bool kill_group() {
    kill(-pid_, SIGKILL);
    return wait_for_child(pid_, pidfd_, steady_clock::now() + time_to_die).has_value();
  }
  pid_t pid() const { return pid_; }
  std::string output() { return output_.take(); }
  std::string errors() { return errors_.take(); }

 private:
  Running(const Command& command, const std::string& program, Pipe output, Pipe errors)
      : output_(std::move(output.read_end), output_cap, false), errors_(std::move(errors.read_end), errors_cap, true) {
    Pipe report = make_pipe();
    const Stream in(file_in_memory(command.standard_input), "r");
    const Stream out(std::move(output.write_end), "w");
    const Stream err(std::move(errors.write_end), "w");
    if (in.get() == nullptr || out.get() == nullptr || err.get() == nullptr) cannot_start(command, EMFILE);
    const std::vector<std::string> arguments(command.argv.begin() + 1, command.argv.end());
    process::environment environment = clean_environment();
    std::error_code error;
    Containment containment(report.write_end.get());
    // Boost's global `limit_handles` keeps the list of the call being made in itself, unguarded: commands
    // started side by side corrupt it. Each call has one of its own.
    const std::remove_cv_t<decltype(process::limit_handles)> limit_handles;
    process::child child(process::exe = program, process::args = arguments, environment, process::std_in < in.get(),
                         process::std_out > out.get(), process::std_err > err.get(), limit_handles, containment, error);
    if (error) cannot_start(command, error.value());
    pid_ = child.id();
    child.detach();  // from here on its end is awaited without Boost, which would take over SIGCHLD
    pidfd_ = open_pidfd(pid_);
    report.write_end.close();
    int exec_error = 0;
    if (::read(report.read_end.get(), &exec_error, sizeof exec_error) == sizeof exec_error) {
      wait_for_child(pid_, pidfd_, steady_clock::now() + time_to_die);
      cannot_start(command, exec_error);
    }
  }

  Capture output_;
  Capture errors_;
  pid_t pid_ = -1;
  Descriptor pidfd_;
};

[[noreturn]] void timed_out(const Command& command, Running& running, AbandonedChildren& abandoned) {
  const bool ended = running.kill_group();
  if (!ended) abandoned.add(running.pid());
  const std::string words = join_argv(command.argv);
  throw HostError(HostError::Kind::timed_out, words,
                  fmt::format("`{}` did not end within {} s and {}", words, command.limit.count(),
                              ended ? "was killed"
                                    : "cannot be killed: it hangs in the kernel, and this machine probably needs a reboot"),
                  ends_of({0, running.output(), running.errors()}));
}

}  // namespace

std::vector<std::string> command_path() {
  return {"/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"};
}

CommandResult run_command(const Command& command, AbandonedChildren& abandoned) {
  abandoned.reap();
  const std::string program = find_program(command);
  const auto deadline = steady_clock::now() + command.limit;
  Running running(command, program);
  const auto status = running.wait_until(deadline);
  if (!status) timed_out(command, running, abandoned);
  CommandResult result;
  result.exit_status = *status;
  result.output = running.output();
  result.errors = running.errors();
  return result;
}

}  // namespace gpuplan
