// Group commit: callers that write at the same time share one transaction and one fsync.
#pragma once

#include <condition_variable>
#include <deque>
#include <exception>
#include <functional>
#include <mutex>
#include <vector>

#include "apply/journal_database.h"

namespace gpuplan {

// Serialises writes to one connection. Thread-safe.
class JournalWriter {
 public:
  using Work = std::function<void(Database&)>;

  JournalWriter(Database& database, Journal::WriteHook hook) : database_(database), hook_(std::move(hook)) {}

  // Runs `work` in a transaction and returns when that is durable. What `work` throws is thrown here,
  // and only what it wrote is taken back. A transaction that fails as a whole is an error of every
  // caller that shared it. The hook runs before the transaction, once per caller, in their order.
  void write(const Work& work);

 private:
  struct Request {
    const Work* work;
    std::exception_ptr error;
    bool finished = false;
  };
  void lead(std::unique_lock<std::mutex>& lock);
  void announce(std::vector<Request*>& batch);
  void commit(std::vector<Request*>& batch);
  void carry_out(std::vector<Request*>& batch);

  Database& database_;
  Journal::WriteHook hook_;
  std::int64_t writes_ = 0;  // of the leader
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Request*> queue_;
  bool has_leader_ = false;
};

}  // namespace gpuplan
