// Undo data that holds secrets: a file of its own for each change, which the journal names.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <string_view>

namespace gpuplan {

// The files DIRECTORY/run-RUN-change-CHANGE.json, mode 0600 in a directory of mode 0700. In the journal each is a
// reference: "file NAME SHA256", which no JSON text is. Functions throw JournalError. Thread-safe.
class UndoFiles {
 public:
  // Nothing is made yet.
  explicit UndoFiles(std::string directory) : directory_(std::move(directory)) {}

  static bool is_reference(std::string_view text);

  // Writes the data, durable on return; a file of the same change is replaced. Returns its reference.
  std::string keep(std::int64_t run, std::size_t change, const std::string& data) const;
  // The data of a reference. Refuses a file that is missing, is not what was written, is a symbolic link, or that
  // others may write.
  std::string read(std::string_view reference) const;
  // Removes every file of ours to which none of `references` leads.
  void remove_others(const std::set<std::string>& references) const;

 private:
  std::string directory_;
};

}  // namespace gpuplan
