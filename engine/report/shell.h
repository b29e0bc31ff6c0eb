// Words of commands that users are told to type.
#pragma once

#include <string>

namespace gpuplan {

// `word` as a POSIX shell reads it as one word: as it is where that is plain, else in single quotes; a word that would
// steer a terminal in the form $'…' of bash, with the escapes of printable(). Thread-safe.
std::string shell_quoted(const std::string& word);

}  // namespace gpuplan
