// A file layer for SQLite that keeps, beside the real files, what a power cut would leave of them.
#pragma once

#include <memory>
#include <string>

namespace journal_fixture {

// While it lives, SQLite's default file layer: every file below `watched` has a copy in `survived` with
// the content of its last fsync. One at a time. Not thread-safe beyond what SQLite itself needs.
class SyncingVfs {
 public:
  SyncingVfs(const std::string& watched, const std::string& survived);
  ~SyncingVfs();
  SyncingVfs(const SyncingVfs&) = delete;
  SyncingVfs& operator=(const SyncingVfs&) = delete;
  int syncs() const;  // so far, of all files watched

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace journal_fixture
