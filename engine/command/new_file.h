// A file that a verb makes for the user.
#pragma once

#include <string>

namespace gpuplan::command {

// Makes the file at `path` with this content, mode 0666 less the umask, durable on return. Throws Failure if
// something is there already, which is never overwritten, or if it cannot be written; then nothing is left there.
void write_new_file(const std::string& path, const std::string& content);

}  // namespace gpuplan::command
