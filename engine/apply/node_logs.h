// What programs on the nodes printed: one file per node, for `gpuplan logs NODE`.
#pragma once

#include <mutex>
#include <string>

namespace gpuplan {

// DIRECTORY/NODE.log, appended to. The directory has mode 0700, files 0600. Thread-safe.
class NodeLogs {
 public:
  explicit NodeLogs(std::string directory) : directory_(std::move(directory)) {}  // empty: nothing is kept

  std::string path(const std::string& node) const;  // empty if nothing is kept
  // "--- TIME TITLE", then the text. What cannot be written is lost and named on stderr: no run fails for its log.
  // `time`: seconds since 1970.
  void append(const std::string& node, std::int64_t time, const std::string& title, const std::string& text);

 private:
  const std::string directory_;
  std::mutex mutex_;
};

}  // namespace gpuplan
