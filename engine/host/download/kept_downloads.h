// Downloads that are kept on this machine, each under its URL's fingerprint.
#pragma once

#include <string>

#include "host/download/download.h"

namespace gpuplan {

// One directory, mode 0700, of which this user is the owner: as root nobody else may put a file there. Several processes
// may use it at once. Thread-safe for different URLs.
class KeptDownloads {
 public:
  // Nothing is made yet. `directory` is absolute; an empty one refuses every download.
  explicit KeptDownloads(std::string directory) : directory_(std::move(directory)) {}

  // The path of the whole, checked file. Throws what download() throws, and HostError::refused for a directory in
  // which others can write.
  std::string bring(const std::string& url, const std::string& sha256, std::chrono::seconds limit,
                    const DownloadProgress& progress) const;
  // Deletes what bring() keeps, and the directory if nothing else is in it. None is not an error.
  void clear() const;

 private:
  const std::string directory_;
};

}  // namespace gpuplan
