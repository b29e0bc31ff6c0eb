// What the crash matrix and the gpuplan that waits for it before main() say to each other.
#pragma once

namespace fork_server {

// A request: its size as an unsigned 32-bit number, then strings that each end with a NUL: the state directory, the files
// for the two outputs, and the program's arguments, its name first. An answer: the status as wait(2) has it, an int.
constexpr int requests = 3, answers = 4, first_word = 3;

}  // namespace fork_server
