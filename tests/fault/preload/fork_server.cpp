// Loaded into gpuplan by LD_PRELOAD: stops it right before its main(), and from there makes a copy of it for each
// request. Finding and linking its seventy libraries takes longer than most of the crash matrix's runs.
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "fault/fork_server_protocol.h"

namespace {

using Main = int (*)(int, char**, char**);

Main program = nullptr;

bool read_whole(void* to, std::size_t size) {
  auto* at = static_cast<char*>(to);
  while (size > 0) {
    const ssize_t got = read(fork_server::requests, at, size);
    if (got <= 0) return false;
    at += got;
    size -= static_cast<std::size_t>(got);
  }
  return true;
}

void redirect(const std::string& path, int flags, int descriptor) {
  const int opened = open(path.c_str(), flags, 0600);
  if (opened < 0 || dup2(opened, descriptor) < 0) _exit(126);
  if (opened != descriptor) close(opened);
}

int run(std::vector<std::string> request, char** environment) {
  close(fork_server::requests);
  close(fork_server::answers);
  redirect("/dev/null", O_RDONLY, STDIN_FILENO);
  redirect(request[1], O_WRONLY | O_CREAT | O_TRUNC, STDOUT_FILENO);
  redirect(request[2], O_WRONLY | O_CREAT | O_TRUNC, STDERR_FILENO);
  setenv("GPUPLAN_STATE_DIR", request[0].c_str(), 1);
  std::vector<char*> argv;
  for (std::size_t i = fork_server::first_word; i < request.size(); ++i) argv.push_back(request[i].data());
  argv.push_back(nullptr);
  return program(static_cast<int>(argv.size()) - 1, argv.data(), environment);
}

// Instead of main(). Ends when nobody can ask any more.
int serve(int /*argc*/, char** /*argv*/, char** /*environment*/) {
  unsetenv("LD_PRELOAD");
  for (std::uint32_t size = 0; read_whole(&size, sizeof size);) {
    std::string text(size, '\0');
    if (!read_whole(text.data(), size)) return 1;
    std::vector<std::string> request;
    for (std::size_t at = 0; at < size; at = text.find('\0', at) + 1) request.emplace_back(text.data() + at);
    int status = 0;
    const pid_t child = fork();
    if (child == 0) return run(std::move(request), environ);
    if (child < 0 || waitpid(child, &status, 0) != child) return 1;
    if (write(fork_server::answers, &status, sizeof status) != sizeof status) return 1;
  }
  return 0;
}

}  // namespace

// glibc's, which calls main().
extern "C" int __libc_start_main(Main main, int argc, char** argv, Main init, void (*fini)(), void (*rtld_fini)(),
                                 void* stack_end) {
  using Start = int (*)(Main, int, char**, Main, void (*)(), void (*)(), void*);
  const auto start = reinterpret_cast<Start>(dlsym(RTLD_NEXT, "__libc_start_main"));
  program = main;
  return start(serve, argc, argv, init, fini, rtld_fini, stack_end);
}
