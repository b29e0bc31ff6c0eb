// Changes of ordinary files and directories that survive a power cut once they return.
#pragma once

#include <string>

namespace gpuplan {

// All throw HostError; `path` is absolute. Thread-safe.

// Replaces `path` atomically by a regular file with this content and mode. Refused (Kind::refused) where
// the present one is a symbolic link or not a regular file, and, for root, in a directory into which
// somebody else can write: that one could slip in a file of his own.
void replace_file(const std::string& path, const std::string& content, unsigned mode);
void remove_file_durably(const std::string& path);                  // absent is not an error
void make_directories(const std::string& path, unsigned mode);      // parents get 0755; present is not an error
void remove_empty_directory(const std::string& path);               // absent or not empty is not an error

}  // namespace gpuplan
