// Runs the real gpuplan, as a user would.
#pragma once

#include <string>
#include <vector>

// Runs `gpuplan WORDS…` in the source directory without a terminal, with GPUPLAN_STATE_DIR set to
// `state_dir` and its two outputs in the files named. Returns the exit code; 128+N if it was killed by
// signal N, -1 if it could not be started. Thread-safe.
int run_program(const std::vector<std::string>& words, const std::string& state_dir, const std::string& out_path,
                const std::string& err_path);
