#include "fault/waiting_program.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <stdexcept>

#include "fault/fork_server_protocol.h"

namespace crash_matrix {
namespace {

struct Pipe {
  Pipe() {
    if (pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error("cannot make a pipe to gpuplan");
  }
  int ends[2] = {-1, -1};
};

// dup2() clears FD_CLOEXEC, but does nothing for a descriptor that is in its place already. Out of the way first: one
// may stand where another belongs.
void place(int request, int answer) {
  constexpr int beyond = 10;
  const int asks = fcntl(request, F_DUPFD_CLOEXEC, beyond);
  const int says = fcntl(answer, F_DUPFD_CLOEXEC, beyond);
  if (dup2(asks, fork_server::requests) < 0 || dup2(says, fork_server::answers) < 0) _exit(126);
}

}  // namespace

WaitingProgram::WaitingProgram() {
  // Between fork and exec of a threaded program nothing may allocate: everything is laid out before.
  std::vector<std::string> variables = {"LD_PRELOAD=" GPUPLAN_FORK_SERVER};
  for (char** variable = environ; *variable != nullptr; ++variable) {
    const std::string text = *variable;
    if (text.rfind("NO_COLOR=", 0) != 0 && text.rfind("GPUPLAN_", 0) != 0) variables.push_back(text);
  }
  std::vector<char*> environment;
  for (std::string& variable : variables) environment.push_back(variable.data());
  environment.push_back(nullptr);
  std::string program = GPUPLAN_PROGRAM;
  char* argv[] = {program.data(), nullptr};

  const Pipe ask, say;
  process_ = fork();
  if (process_ == 0) {
    place(ask.ends[0], say.ends[1]);
    if (chdir(GPUPLAN_SOURCE_DIR) != 0) _exit(126);
    execve(argv[0], argv, environment.data());
    _exit(127);
  }
  close(ask.ends[0]);
  close(say.ends[1]);
  requests_ = ask.ends[1];
  answers_ = say.ends[0];
  if (process_ < 0) throw std::runtime_error("cannot start gpuplan");
}

WaitingProgram::~WaitingProgram() {
  close(requests_);
  close(answers_);
  if (process_ > 0) waitpid(process_, nullptr, 0);
}

int WaitingProgram::run(const std::vector<std::string>& words, const std::string& state_dir, const std::string& out_path,
                        const std::string& err_path) {
  std::string strings;
  const auto add = [&](const std::string& text) { strings.append(text).push_back('\0'); };
  for (const std::string& text : {state_dir, out_path, err_path, std::string(GPUPLAN_PROGRAM)}) add(text);
  for (const std::string& word : words) add(word);
  const auto size = static_cast<std::uint32_t>(strings.size());
  const std::string request = std::string(reinterpret_cast<const char*>(&size), sizeof size) + strings;
  int status = 0;
  if (write(requests_, request.data(), request.size()) != static_cast<ssize_t>(request.size()) ||
      read(answers_, &status, sizeof status) != sizeof status) {
    throw std::runtime_error("the gpuplan that waits to be run is gone");
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace crash_matrix
