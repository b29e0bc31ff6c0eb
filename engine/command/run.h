// From a command line to an exit code.
#pragma once

namespace gpuplan::command {

// Carries out one command line. Problems are told on stderr (and as JSON on stdout with --json).
// Lets only exceptions pass that no part of gpuplan is meant to throw.
int run(int argc, char** argv);

}  // namespace gpuplan::command
