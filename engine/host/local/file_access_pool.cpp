#include "host/local/file_access_pool.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <spawn.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>

#include "host/host_error.h"
#include "host/local/file_access_protocol.h"
#include "host/local/local_host.h"

namespace gpuplan {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

// For finding and linking the program's libraries, on a machine that is busy.
constexpr std::chrono::seconds start_limit(60);

// Raised inside this file when an exchange is not over at its deadline.
struct DeadlinePassed {};

// SIGPIPE does not reach this thread while one lives, so that writing to a child that died is EPIPE.
class SigpipeHeldBack {
 public:
  SigpipeHeldBack() {
    sigemptyset(&sigpipe_);
    sigaddset(&sigpipe_, SIGPIPE);
    sigset_t pending;
    sigpending(&pending);
    was_pending_ = sigismember(&pending, SIGPIPE) == 1;
    pthread_sigmask(SIG_BLOCK, &sigpipe_, &before_);
  }
  ~SigpipeHeldBack() {
    const timespec at_once{};
    while (!was_pending_ && sigtimedwait(&sigpipe_, nullptr, &at_once) < 0 && errno == EINTR) {}
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  SigpipeHeldBack(const SigpipeHeldBack&) = delete;
  SigpipeHeldBack& operator=(const SigpipeHeldBack&) = delete;

 private:
  sigset_t sigpipe_{};
  sigset_t before_{};
  bool was_pending_ = false;
};

// The settings of posix_spawn(3) for a child that keeps nothing of this process but two pipes.
class SpawnSettings {
 public:
  SpawnSettings(int standard_input, int standard_output) {
    posix_spawn_file_actions_init(&actions_);
    posix_spawn_file_actions_adddup2(&actions_, standard_input, STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions_, standard_output, STDOUT_FILENO);
    posix_spawn_file_actions_addopen(&actions_, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    // The run's lock above all: a child that never ends would hold it for ever.
    posix_spawn_file_actions_addclosefrom_np(&actions_, STDERR_FILENO + 1);
    posix_spawnattr_init(&attributes_);
    // Out of the terminal's reach: Ctrl-C lets the access that is going on finish.
    posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
    sigset_t signals;
    sigfillset(&signals);
    posix_spawnattr_setsigdefault(&attributes_, &signals);
    sigemptyset(&signals);
    posix_spawnattr_setsigmask(&attributes_, &signals);
  }
  ~SpawnSettings() {
    posix_spawn_file_actions_destroy(&actions_);
    posix_spawnattr_destroy(&attributes_);
  }
  SpawnSettings(const SpawnSettings&) = delete;
  SpawnSettings& operator=(const SpawnSettings&) = delete;

  const posix_spawn_file_actions_t* actions() const { return &actions_; }
  const posix_spawnattr_t* attributes() const { return &attributes_; }

 private:
  posix_spawn_file_actions_t actions_{};
  posix_spawnattr_t attributes_{};
};

bool has_ended(const Descriptor& pidfd) {
  pollfd state{pidfd.get(), POLLIN, 0};
  return pidfd && poll(&state, 1, 0) == 1;
}

// Until the pipe is ready for `events`, or its other end is closed.
void wait_until_ready(const Descriptor& pipe, short events, SteadyTime deadline) {
  for (;;) {
    const int left = milliseconds_until(deadline);
    pollfd state{pipe.get(), events, 0};
    const int ready = poll(&state, 1, left);
    if (ready > 0) return;
    if (ready == 0 && left == 0) throw DeadlinePassed();
  }
}

std::string word_of(FileOperation operation) { return operation == FileOperation::write ? "write" : "read"; }

}  // namespace

FileAccessPool::FileAccessPool(std::string program, std::shared_ptr<AbandonedChildren> abandoned)
    : program_(program.empty() ? "/proc/self/exe" : std::move(program)), abandoned_(std::move(abandoned)) {}

FileAccessPool::~FileAccessPool() {
  // They end when their requests end; one that was killed by somebody is reaped all the same.
  for (const auto& child : idle_) child->requests.close();
  const auto deadline = steady_clock::now() + std::chrono::seconds(1);
  for (auto& child : idle_) {
    if (!wait_for_child(child->pid, child->pidfd, deadline)) abandon(*child);
  }
}

std::unique_ptr<FileAccessPool::Child> FileAccessPool::start() const {
  Pipe requests = make_pipe();
  Pipe answers = make_pipe();
  const SpawnSettings settings(requests.read_end.get(), answers.write_end.get());
  std::string name = "gpuplan";
  std::string flag = file_access_child_flag;
  std::array<char*, 3> argv{name.data(), flag.data(), nullptr};
  auto child = std::make_unique<Child>();
  const int error = posix_spawn(&child->pid, program_.c_str(), settings.actions(), settings.attributes(), argv.data(),
                                environ);
  if (error != 0) {
    throw HostError(HostError::Kind::failed, program_,
                    fmt::format("cannot start {} as the process that reads files of the kernel: {}", program_,
                                words_for_errno(error)));
  }
  child->pidfd = open_pidfd(child->pid);
  child->requests = std::move(requests.write_end);
  child->answers = std::move(answers.read_end);
  // As long as they are open here, it is not seen that the child has ended.
  requests.read_end.close();
  answers.write_end.close();
  set_nonblocking(child->requests);
  set_nonblocking(child->answers);
  wait_until_it_listens(*child);
  return child;
}

void FileAccessPool::wait_until_it_listens(const Child& child) const {
  std::string reason = fmt::format("it ended before that; `gpuplan {} </dev/null` shows why", file_access_child_flag);
  try {
    if (receive_answer(child, steady_clock::now() + start_limit)) return;
  } catch (const DeadlinePassed&) {
    reason = fmt::format("it did not start within {} s; this machine is too busy, or reads its disk too slowly", start_limit.count());
  }
  abandon(child);
  throw HostError(HostError::Kind::failed, program_,
                  fmt::format("cannot start {} {}, which reads files of the kernel: {}", program_, file_access_child_flag, reason));
}

std::unique_ptr<FileAccessPool::Child> FileAccessPool::take() {
  abandoned_->reap();
  for (;;) {
    std::unique_ptr<Child> child;
    {
      const std::lock_guard lock(mutex_);
      if (!idle_.empty()) {
        child = std::move(idle_.back());
        idle_.pop_back();
      }
    }
    if (!child) return start();
    if (!has_ended(child->pidfd)) return child;
    abandon(*child);
  }
}

void FileAccessPool::keep(std::unique_ptr<Child> child) {
  const std::lock_guard lock(mutex_);
  idle_.push_back(std::move(child));
}

void FileAccessPool::abandon(const Child& child) const {
  kill(child.pid, SIGKILL);
  abandoned_->add(child.pid);
}

bool FileAccessPool::send(const Child& child, const std::string& bytes, SteadyTime deadline) {
  const SigpipeHeldBack no_sigpipe;
  for (std::size_t done = 0; done < bytes.size();) {
    wait_until_ready(child.requests, POLLOUT, deadline);
    const ssize_t count = write(child.requests.get(), bytes.data() + done, bytes.size() - done);
    if (count > 0) {
      done += static_cast<std::size_t>(count);
    } else if (errno != EAGAIN && errno != EINTR) {
      return false;
    }
  }
  return true;
}

bool FileAccessPool::receive(const Child& child, std::string& bytes, std::size_t size, SteadyTime deadline) {
  bytes.resize(size);
  for (std::size_t done = 0; done < size;) {
    wait_until_ready(child.answers, POLLIN, deadline);
    const ssize_t count = read(child.answers.get(), bytes.data() + done, size - done);
    if (count > 0) {
      done += static_cast<std::size_t>(count);
    } else if (count == 0 || (errno != EAGAIN && errno != EINTR)) {
      return false;
    }
  }
  return true;
}

std::optional<FileAnswer> FileAccessPool::receive_answer(const Child& child, SteadyTime deadline) {
  std::string bytes;
  if (!receive(child, bytes, frame_header_size, deadline)) return std::nullopt;
  const auto length = frame_length(bytes, FrameKind::answer);
  if (!length || !receive(child, bytes, *length, deadline)) return std::nullopt;
  return decode_answer(bytes);
}

FileAnswer FileAccessPool::ask(const FileRequest& request, milliseconds limit) {
  std::unique_ptr<Child> child = take();
  const auto deadline = steady_clock::now() + limit;
  const std::string verb = word_of(request.operation);
  try {
    if (send(*child, encode(request), deadline)) {
      if (auto answer = receive_answer(*child, deadline)) {
        keep(std::move(child));
        return *std::move(answer);
      }
    }
  } catch (const DeadlinePassed&) {
    abandon(*child);
    throw HostError(HostError::Kind::timed_out, request.path,
                    fmt::format("cannot {} {}: the kernel did not answer within {} s; the driver behind it hangs, and "
                                "this machine probably needs a reboot",
                                verb, request.path, std::chrono::duration<double>(limit).count()));
  }
  abandon(*child);
  throw HostError(HostError::Kind::failed, request.path,
                  fmt::format("cannot {} {}: the process {} {} that was to do it ended without an answer", verb,
                              request.path, program_, file_access_child_flag));
}

}  // namespace gpuplan
