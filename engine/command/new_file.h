// A text that a verb makes for the user.
#pragma once

#include <functional>
#include <string>

#include "command/session.h"

namespace gpuplan::command {

// Makes the file at `path` with this content, mode 0666 less the umask, durable on return. Throws Failure if
// something is there already, which is never overwritten, or if it cannot be written; then nothing is left there.
void write_new_file(const std::string& path, const std::string& content);

// Writes `text` to the file of --out if one was given, and shows it: as a document (writtenDocument of
// docs/output.schema.json) with --json, else what `said` returns if it was saved, else the text itself.
// Throws Failure like write_new_file.
void hand_out(Session& session, const std::string& text, const std::function<std::string()>& said = {});

}  // namespace gpuplan::command
