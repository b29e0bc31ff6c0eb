#include "command/hand_over.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <iostream>

#include "host/host_error.h"
#include "host/local/run_command.h"

namespace gpuplan::command {

void hand_over(const std::vector<std::string>& argv) {
  std::vector<std::string> words = argv;
  std::vector<char*> pointers;
  pointers.reserve(words.size() + 1);
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  std::cout.flush();
  std::cerr.flush();
  // Handlers end with exec, but what is ignored stays so: ssh would not notice that its reader is gone.
  std::signal(SIGPIPE, SIG_DFL);
  int error = ENOENT;
  for (const std::string& directory : command_path()) {
    execv((directory + "/" + argv.front()).c_str(), pointers.data());
    if (errno != ENOENT && errno != ENOTDIR) error = errno;
  }
  std::signal(SIGPIPE, SIG_IGN);
  throw HostError(kind_of_errno(error), argv.front(),
                  fmt::format("cannot run {}: {}", argv.front(), words_for_errno(error)));
}

}  // namespace gpuplan::command
