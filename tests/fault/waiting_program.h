// A gpuplan that has been loaded and linked, and waits before its main() for what it is to run.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace crash_matrix {

// Not thread-safe: each thread has its own. Each run is a new process, a copy of this one.
class WaitingProgram {
 public:
  // Throws std::runtime_error if it cannot be started.
  WaitingProgram();
  ~WaitingProgram();
  WaitingProgram(const WaitingProgram&) = delete;
  WaitingProgram& operator=(const WaitingProgram&) = delete;

  // As run_program(): `gpuplan WORDS…` in the source directory, without a terminal. Returns the exit code, 128+N if
  // it was killed by signal N. Throws std::runtime_error if the waiting program is gone.
  int run(const std::vector<std::string>& words, const std::string& state_dir, const std::string& out_path,
          const std::string& err_path);

 private:
  int requests_ = -1;
  int answers_ = -1;
  pid_t process_ = -1;
};

}  // namespace crash_matrix
