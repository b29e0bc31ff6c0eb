// The FileSystem port on this machine.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "host/local/file_access_pool.h"
#include "host/ports.h"

namespace gpuplan {

// True for paths whose access can block for ever in a driver: below /sys, /proc/driver. Only the text
// is looked at; "." and ".." in it are resolved first.
bool can_hang(const std::string& path);

// Ordinary paths with plain system calls, those that can hang through a FileAccessPool.
class LocalFiles : public FileSystem {
 public:
  // `root` is put in front of every path.
  LocalFiles(std::string root, std::chrono::milliseconds read_limit, std::string child_program,
             std::shared_ptr<AbandonedChildren> abandoned);

  std::string read(const std::string& path) override;
  std::vector<std::string> list(const std::string& path) override;
  std::string read_link(const std::string& path) override;
  FileKind kind(const std::string& path) override;
  void write(const std::string& path, const std::string& content, std::chrono::seconds limit) override;
  void put_file(const std::string& path, const std::string& content, unsigned mode) override;
  void remove_file(const std::string& path) override;
  void make_directory(const std::string& path, unsigned mode) override;
  void remove_directory(const std::string& path) override;

 private:
  std::string data(FileOperation operation, const std::string& path, const std::string& content,
                   std::chrono::milliseconds limit);
  std::string at_root(const std::string& path) const;

  const std::string root_;
  const std::chrono::milliseconds read_limit_;
  FileAccessPool pool_;
};

}  // namespace gpuplan
