// One holder at a time; the kernel releases the lock of a process that is gone.
#include "apply/run_lock.h"

#include <fcntl.h>
#include <sys/wait.h>

#include <array>
#include <atomic>
#include <csignal>
#include <fstream>
#include <thread>

#include "journal_fixture.h"
#include "support/catch.h"

using namespace journal_fixture;

namespace {

const LockHolder me{4242, "gpu01", "gpuplan apply h100.yaml", 1700000000};

std::unique_ptr<RunLock> take(const std::string& path) {
  std::optional<LockHolder> other;
  return RunLock::take(path, me, other);
}

// A process that takes the lock, starts a child of its own (a program that ends when its standard
// input does), says so, and waits to be killed.
class HoldingProcess {
 public:
  explicit HoldingProcess(const std::string& path) {
    std::array<int, 2> ready{};
    if (pipe2(ready.data(), O_CLOEXEC) != 0 || pipe2(input_.data(), O_CLOEXEC) != 0) throw std::runtime_error("pipe");
    pid_ = fork();
    if (pid_ == 0) {
      const auto lock = take(path);
      if (lock) start_cat(ready[1]);
      pause();
      _exit(1);
    }
    close(ready[1]);
    char byte = 0;
    took_ = read(ready[0], &byte, 1) == 1;
    close(ready[0]);
  }
  ~HoldingProcess() {
    kill_now();
    close(input_[0]);
    close(input_[1]);  // the end of its child
  }
  bool took() const { return took_; }
  void kill_now() {
    if (pid_ <= 0) return;
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
    pid_ = 0;
  }

 private:
  // Tells through `ready` once the child is another program: only then are descriptors closed.
  void start_cat(int ready) {
    std::array<int, 2> started{};
    if (pipe2(started.data(), O_CLOEXEC) != 0) _exit(1);
    if (fork() == 0) {
      dup2(input_[0], STDIN_FILENO);
      execlp("cat", "cat", static_cast<char*>(nullptr));
      _exit(1);
    }
    close(started[1]);
    char byte = 0;
    if (read(started[0], &byte, 1) != 0 || write(ready, "x", 1) != 1) _exit(1);
  }

  pid_t pid_ = 0;
  std::array<int, 2> input_{};
  bool took_ = false;
};

}  // namespace

TEST_CASE("run lock: the second is told who has it") {
  const TempDirectory directory;
  const std::string path = directory.file("gpu.lock");
  CHECK_FALSE(lock_holder(path));
  auto first = take(path);
  REQUIRE(first);
  CHECK(mode_of(path) == 0600);
  std::optional<LockHolder> other;
  CHECK_FALSE(RunLock::take(path, LockHolder{1, "elsewhere", "gpuplan destroy", 1}, other));
  REQUIRE(other);
  CHECK(other->pid == 4242);
  CHECK(other->host == "gpu01");
  CHECK(other->command == "gpuplan apply h100.yaml");
  CHECK(other->since == 1700000000);
  REQUIRE(lock_holder(path));
  CHECK(lock_holder(path)->pid == 4242);
  first.reset();
  CHECK_FALSE(lock_holder(path));
  CHECK(take(path));
}

TEST_CASE("run lock: a shorter holder leaves nothing of a longer one") {
  const TempDirectory directory;
  const std::string path = directory.file("gpu.lock");
  std::optional<LockHolder> other;
  RunLock::take(path, {1, "a", std::string(5000, 'x'), 1}, other).reset();
  const auto lock = RunLock::take(path, {2, "b", "gpuplan apply", 2}, other);
  REQUIRE(lock);
  REQUIRE(lock_holder(path));
  CHECK(lock_holder(path)->command == "gpuplan apply");
}

TEST_CASE("run lock: a holder that cannot be read is still a holder") {
  const TempDirectory directory;
  const std::string path = directory.file("gpu.lock");
  const auto lock = take(path);
  std::string content;
  SECTION("empty") {}
  SECTION("cut short") { content = R"({"pid": 42)"; }
  SECTION("another shape") { content = R"(["pid"])"; }
  SECTION("binary") { content = std::string("\0\xff\0", 3); }
  std::ofstream(path) << content;
  std::optional<LockHolder> other;
  CHECK_FALSE(RunLock::take(path, me, other));
  REQUIRE(other);
  CHECK(other->pid == 0);
  CHECK(other->command.empty());
}

TEST_CASE("run lock: free after its holder was killed, though a child of the holder lives") {
  const TempDirectory directory;
  const std::string path = directory.file("gpu.lock");
  HoldingProcess holder(path);
  REQUIRE(holder.took());
  CHECK_FALSE(take(path));
  REQUIRE(lock_holder(path));
  CHECK(lock_holder(path)->command == "gpuplan apply h100.yaml");
  holder.kill_now();
  CHECK_FALSE(lock_holder(path));
  CHECK(take(path));
}

TEST_CASE("run lock: those who only look never keep a taker out") {
  const TempDirectory directory;
  const std::string path = directory.file("gpu.lock");
  take(path).reset();
  std::atomic<bool> stop{false};
  std::thread looker([&] {
    while (!stop) lock_holder(path);
  });
  int refused = 0;
  for (int i = 0; i < 500; ++i) refused += take(path) ? 0 : 1;
  stop = true;
  looker.join();
  CHECK(refused == 0);
}

TEST_CASE("run lock: a symlink or a missing directory is an error in words") {
  const TempDirectory directory;
  const std::string path = directory.file("gpu.lock");
  std::filesystem::create_symlink("/etc/passwd", path);
  const std::string expected =
      "cannot open the lock " + path + ": it is a symbolic link; check its directory or use another --state-dir";
  CHECK(error_of([&] { take(path); }) == expected);
  CHECK(error_of([&] { lock_holder(path); }) == expected);
  const std::string nowhere = directory.file("nowhere/gpu.lock");
  CHECK(error_of([&] { take(nowhere); }) ==
        "cannot open the lock " + nowhere +
            ": no such file or directory; check its directory or use another --state-dir");
  CHECK_FALSE(lock_holder(nowhere));
}

TEST_CASE("run lock: a pipe in its place is refused without waiting for its other end") {
  const TempDirectory directory;
  const std::string path = directory.file("gpu.lock");
  REQUIRE(mkfifo(path.c_str(), 0600) == 0);
  CHECK(error_of([&] { take(path); }) ==
        "the lock " + path + " is not a regular file; move it away or use another --state-dir");
}
