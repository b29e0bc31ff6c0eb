#include "apply/journal_writer.h"

#include <fmt/format.h>

#include <algorithm>

#include "host/host_error.h"

namespace gpuplan {

void JournalWriter::write(const Work& work) {
  Request request{&work, nullptr};
  std::unique_lock lock(mutex_);
  queue_.push_back(&request);
  changed_.wait(lock, [&] { return request.finished || !has_leader_; });
  if (!request.finished) lead(lock);
  lock.unlock();
  if (request.error) std::rethrow_exception(request.error);
}

// The leader commits everything that is waiting now, its own request included. What is queued
// meanwhile is left to the next leader: one of those who then wake up.
void JournalWriter::lead(std::unique_lock<std::mutex>& lock) {
  has_leader_ = true;
  const std::vector<Request*> all(queue_.begin(), queue_.end());
  queue_.clear();
  lock.unlock();
  std::vector<Request*> batch = all;
  announce(batch);
  if (!batch.empty()) commit(batch);
  lock.lock();
  for (Request* request : all) request->finished = true;
  has_leader_ = false;
  changed_.notify_all();
}

// Outside the transaction, so that a hook that hangs does not keep readers of another process waiting.
void JournalWriter::announce(std::vector<Request*>& batch) {
  if (!hook_) return;
  const auto refused = std::remove_if(batch.begin(), batch.end(), [&](Request* request) {
    try {
      hook_(++writes_);
      return false;
    } catch (const HostError& error) {
      request->error = std::make_exception_ptr(JournalError(
          fmt::format("cannot write the journal {}: {}; run gpuplan again", database_.name(), error.what())));
    } catch (...) {
      request->error = std::current_exception();
    }
    return true;
  });
  batch.erase(refused, batch.end());
}

void JournalWriter::commit(std::vector<Request*>& batch) {
  try {
    database_.prepare("BEGIN IMMEDIATE").run();
    carry_out(batch);
    database_.prepare("COMMIT").run();
  } catch (...) {
    for (Request* request : batch) {
      if (!request->error) request->error = std::current_exception();
    }
    if (!database_.in_transaction()) return;
    try {
      database_.execute("ROLLBACK");
    } catch (const DatabaseError&) {
      // Nothing of it is durable, and the next BEGIN says so if the connection is of no more use.
    }
  }
}

void JournalWriter::carry_out(std::vector<Request*>& batch) {
  for (Request* request : batch) {
    database_.prepare("SAVEPOINT request").run();
    try {
      (*request->work)(database_);
    } catch (...) {
      request->error = std::current_exception();
      // SQLite gives up the whole transaction on a full disk or an I/O error.
      if (!database_.in_transaction()) throw;
      database_.execute("ROLLBACK TO request");
    }
    database_.prepare("RELEASE request").run();
  }
}

}  // namespace gpuplan
