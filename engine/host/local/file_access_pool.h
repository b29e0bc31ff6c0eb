// Children of this program that read and write the files that can block for ever.
#pragma once

#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "host/local/child_process.h"
#include "host/local/plain_files.h"

namespace gpuplan {

// Starts children on demand, one per access that is going on, and keeps them for the next. One that
// does not answer in time is killed and left to itself. Thread-safe.
class FileAccessPool {
 public:
  // `program` is started with file_access_child_flag; empty: the running program.
  FileAccessPool(std::string program, std::shared_ptr<AbandonedChildren> abandoned);
  ~FileAccessPool();

  // What perform() returns, from a child. Throws HostError: timed_out `limit` after a child listened, failed if no child
  // can be started or one ended without an answer.
  FileAnswer ask(const FileRequest& request, std::chrono::milliseconds limit);

 private:
  struct Child {
    pid_t pid = -1;
    Descriptor pidfd;
    Descriptor requests;  // our end
    Descriptor answers;
  };

  std::unique_ptr<Child> start() const;
  std::unique_ptr<Child> take();
  void keep(std::unique_ptr<Child> child);
  void abandon(const Child& child) const;
  void wait_until_it_listens(const Child& child) const;
  static bool send(const Child& child, const std::string& bytes, SteadyTime deadline);
  static bool receive(const Child& child, std::string& bytes, std::size_t size, SteadyTime deadline);
  static std::optional<FileAnswer> receive_answer(const Child& child, SteadyTime deadline);

  const std::string program_;
  const std::shared_ptr<AbandonedChildren> abandoned_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<Child>> idle_;
};

}  // namespace gpuplan
