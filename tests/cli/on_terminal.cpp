#include "on_terminal.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>

#include "support/catch.h"

namespace cli {
namespace {

struct Started {
  pid_t child = 0;
  int terminal = -1;  // the other end
};

Started start(const Place& place, std::vector<std::string> words) {
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
  return {child, terminal};
}

// Adds what comes next to the screen; false once the program has ended, whose terminal then reads as an error.
bool read_more(const Started& program, TerminalSession& session) {
  std::array<char, 4096> buffer{};
  const ssize_t count = read(program.terminal, buffer.data(), buffer.size());
  if (count > 0) session.screen.append(buffer.data(), static_cast<std::size_t>(count));
  return count > 0;
}

TerminalSession end(const Started& program, TerminalSession session) {
  close(program.terminal);
  int status = 0;
  REQUIRE(waitpid(program.child, &status, 0) == program.child);
  session.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return session;
}

}  // namespace

TerminalSession on_terminal(const Place& place, std::vector<std::string> words, const std::string& wait_for,
                            const std::string& typed) {
  const Started program = start(place, std::move(words));
  TerminalSession session;
  bool answered = false;
  while (read_more(program, session)) {
    if (answered || session.screen.find(wait_for) == std::string::npos) continue;
    answered = true;
    REQUIRE(write(program.terminal, typed.data(), typed.size()) == static_cast<ssize_t>(typed.size()));
  }
  return end(program, std::move(session));
}

TerminalSession on_closing_terminal(const Place& place, std::vector<std::string> words, const std::string& wait_for) {
  const Started program = start(place, std::move(words));
  TerminalSession session;
  while (session.screen.find(wait_for) == std::string::npos) REQUIRE(read_more(program, session));
  return end(program, std::move(session));
}

}  // namespace cli
