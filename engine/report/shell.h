// Words of commands that users are told to type.
#pragma once

#include <string>

namespace gpuplan {

// `word` as a POSIX shell reads it as one word: as it is where that is plain, else in single quotes; a word that would
// steer a terminal in the form $'…' of bash, with the escapes of printable(). Thread-safe.
std::string shell_quoted(const std::string& word);

// "gpuplan WORDS", to stand in backticks in a message, with the flags that make it mean the same server and the same
// state as the command that runs. What belongs behind a " -- " follows it. Thread-safe.
std::string suggested(const std::string& words);
// Which flags those are, each with a blank in front; none until this is called. Before any other thread starts.
void repeat_in_suggestions(std::string flags);

}  // namespace gpuplan
