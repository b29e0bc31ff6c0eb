// What a person at a terminal sees: the question, colours, live progress, Ctrl-C.
#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>

#include "program.h"
#include "support/catch.h"

namespace {

struct Session {
  int exit_code = 0;
  std::string screen;
};

// Runs the program on a terminal of its own; types `typed` once `wait_for` has appeared.
Session on_terminal(const cli::Place& place, std::vector<std::string> words, const std::string& wait_for,
                    const std::string& typed) {
  const int terminal = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
  REQUIRE(terminal >= 0);
  REQUIRE(grantpt(terminal) == 0);
  REQUIRE(unlockpt(terminal) == 0);
  const std::string name = ptsname(terminal);
  struct winsize size {24, 100, 0, 0};
  REQUIRE(ioctl(terminal, TIOCSWINSZ, &size) == 0);
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    setsid();
    const int end = open(name.c_str(), O_RDWR);  // becomes the controlling terminal
    for (const int descriptor : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) dup2(end, descriptor);
    if (chdir(GPUPLAN_SOURCE_DIR) != 0) _exit(126);
    setenv("GPUPLAN_STATE_DIR", place.state_dir().c_str(), 1);
    setenv("TERM", "xterm", 1);
    unsetenv("NO_COLOR");
    std::vector<char*> argv = {const_cast<char*>(GPUPLAN_PROGRAM)};
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    execv(GPUPLAN_PROGRAM, argv.data());
    _exit(127);
  }
  Session session;
  bool answered = false;
  std::array<char, 4096> buffer{};
  // A terminal whose other end is closed reads as an error: the program has ended.
  for (ssize_t count = 0; (count = read(terminal, buffer.data(), buffer.size())) > 0;) {
    session.screen.append(buffer.data(), static_cast<std::size_t>(count));
    if (answered || session.screen.find(wait_for) == std::string::npos) continue;
    answered = true;
    REQUIRE(write(terminal, typed.data(), typed.size()) == static_cast<ssize_t>(typed.size()));
  }
  close(terminal);
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  session.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return session;
}

std::vector<std::string> apply_words(const cli::Place& place) {
  return {"apply", cli::h100_spec, "--host", "sim:" + place.host()};
}

constexpr const char* question = "Only \"yes\" is accepted: ";

}  // namespace

TEST_CASE("\"yes\" at the question starts the run, shown live and in colour") {
  const cli::Place place;
  const Session session = on_terminal(place, apply_words(place), question, "yes\n");
  CHECK(session.exit_code == 0);
  CHECK_THAT(session.screen, contains("\033[32m"));
  CHECK_THAT(session.screen, contains("\033[A\r\033[K"));
  CHECK_THAT(session.screen, contains("running, "));
  CHECK_THAT(session.screen, contains("Run 1 succeeded"));
}

TEST_CASE("anything but \"yes\" changes nothing") {
  for (const char* answer : {"y\n", "\n", "YES\n", "yes please\n"}) {
    const cli::Place place;
    const Session session = on_terminal(place, apply_words(place), question, answer);
    INFO(answer);
    CHECK(session.exit_code == 1);
    CHECK_THAT(session.screen, contains("not confirmed; nothing was changed"));
    CHECK_THAT(place.run({"status"}).out, contains("There is no cluster"));
  }
}

TEST_CASE("Ctrl-C at the question ends with 130 and changes nothing") {
  const cli::Place place;
  const Session session = on_terminal(place, apply_words(place), question, "\x03");
  CHECK(session.exit_code == 130);
  CHECK_THAT(session.screen, contains("interrupted; nothing was changed"));
}

TEST_CASE("Ctrl-C during a run ends it with 130 and says what to do next") {
  const cli::Place place;
  std::vector<std::string> words = {"apply", cli::h100_spec, "--host", cli::h100_host, "--yes"};
  const Session session = on_terminal(place, words, "vm-define/gpu-control-plane: create", "\x03");
  CHECK(session.exit_code == 130);
  CHECK_THAT(session.screen, contains("Run 1 was interrupted"));
  CHECK_THAT(session.screen, contains("goes on with the run"));
  const cli::Result undone = place.run({"rollback", "--yes", "--host", cli::h100_host});
  CHECK(undone.exit_code == 0);
  CHECK_THAT(undone.out, contains("resources are as they were before run 1."));
}

TEST_CASE("--color never means no colour, even on a terminal") {
  const cli::Place place;
  std::vector<std::string> words = {"plan", cli::h100_spec, "--host", cli::h100_host, "--color", "never"};
  CHECK_THAT(on_terminal(place, words, "\x01", "").screen, !contains("\033[3"));
}
