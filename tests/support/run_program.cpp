#include "support/run_program.h"

#include <fcntl.h>
#include <grp.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>

namespace {

void redirect(const char* path, int flags, int descriptor) {
  const int opened = open(path, flags, 0600);
  if (opened < 0 || dup2(opened, descriptor) < 0) _exit(126);
}

}  // namespace

pid_t start_program(const std::vector<std::string>& words, const std::string& state_dir, const std::string& out_path,
                    const std::string& err_path, uid_t user) {
  // Between fork and exec of a threaded program nothing may allocate: everything is laid out before.
  std::vector<std::string> variables;
  for (char** variable = environ; *variable != nullptr; ++variable) {
    const std::string text = *variable;
    if (text.rfind("NO_COLOR=", 0) != 0 && text.rfind("GPUPLAN_STATE_DIR=", 0) != 0) variables.push_back(text);
  }
  variables.push_back("GPUPLAN_STATE_DIR=" + state_dir);
  std::vector<char*> environment;
  for (std::string& variable : variables) environment.push_back(variable.data());
  environment.push_back(nullptr);
  std::vector<std::string> copies = words;
  std::string program = GPUPLAN_PROGRAM;
  std::vector<char*> argv = {program.data()};
  for (std::string& word : copies) argv.push_back(word.data());
  argv.push_back(nullptr);

  const pid_t child = fork();
  if (child == 0) {
    redirect("/dev/null", O_RDONLY, STDIN_FILENO);
    redirect(out_path.c_str(), O_WRONLY | O_CREAT | O_TRUNC, STDOUT_FILENO);
    redirect(err_path.c_str(), O_WRONLY | O_CREAT | O_TRUNC, STDERR_FILENO);
    if (chdir(GPUPLAN_SOURCE_DIR) != 0) _exit(126);
    if (user != 0 && (setgroups(0, nullptr) != 0 || setgid(user) != 0 || setuid(user) != 0)) _exit(126);
    execve(argv[0], argv.data(), environment.data());
    _exit(127);
  }
  return child;
}

int end_of_program(pid_t child) {
  int status = 0;
  if (child < 0 || waitpid(child, &status, 0) != child) return -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int run_program(const std::vector<std::string>& words, const std::string& state_dir, const std::string& out_path,
                const std::string& err_path) {
  return end_of_program(start_program(words, state_dir, out_path, err_path));
}
