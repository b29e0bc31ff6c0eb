// Runs the real gpuplan, as a user would.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

// Starts `gpuplan WORDS…` in the source directory without a terminal, with GPUPLAN_STATE_DIR set to
// `state_dir` and its two outputs in the files named; as another user if `user` is not 0, which root alone may do.
// Returns its process id; -1 if it could not be started. Thread-safe.
pid_t start_program(const std::vector<std::string>& words, const std::string& state_dir, const std::string& out_path,
                    const std::string& err_path, uid_t user = 0);

// Waits for its end. Returns the exit code; 128+N if it was killed by signal N, -1 if it was not started.
int end_of_program(pid_t child);

// Both in one.
int run_program(const std::vector<std::string>& words, const std::string& state_dir, const std::string& out_path,
                const std::string& err_path);
