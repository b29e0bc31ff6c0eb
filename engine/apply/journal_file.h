// The journal as a file: whether it may be trusted, and how it comes to be.
#pragma once

#include <string>

namespace gpuplan {

// True if there is a file at `path` that may be used as a journal; false if there is nothing. Throws
// JournalError for a symlink, for anything but a regular file, for a file of another user than root
// and oneself, and for one that group or others can write. Looks at `path`-wal and `path`-shm as well.
bool journal_file_is_trusted(const std::string& path);

// Throws JournalError for a symlink and for anything but a regular file, in the same three places: where there is one,
// not even a look is allowed.
void require_regular_journal_file(const std::string& path);

// Makes an empty file with mode 0600 in the place of whatever a run that was cut short left there. Throws JournalError.
void make_journal_file(const std::string& path);

// Gives a finished journal its name, under which there is nothing; the directory entry is durable on return. Throws
// JournalError.
void name_journal_file(const std::string& from, const std::string& path);

// The path with every symlink in its directory part resolved. Throws JournalError if that is absent.
std::string resolved_journal_path(const std::string& path);

}  // namespace gpuplan
