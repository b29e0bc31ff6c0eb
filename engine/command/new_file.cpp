#include "command/new_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <iostream>

#include "command/exit_codes.h"
#include "command/failure.h"
#include "host/files/descriptor.h"
#include "host/host_error.h"
#include "plan/plan.h"

namespace gpuplan::command {
namespace {

[[noreturn]] void refuse(const std::string& path, int error_number) {
  if (error_number == EEXIST) {
    throw Failure(exit_nothing_changed, fmt::format("{} exists, and is not overwritten", printable(path)), {},
                  "give another name, or move the file away");
  }
  throw Failure(exit_nothing_changed,
                fmt::format("{} cannot be written: {}", printable(path), words_for_errno(error_number)), {},
                "give a place for --out that can be written to");
}

}  // namespace

void write_new_file(const std::string& path, const std::string& content) {
  // O_EXCL follows no symlink and leaves what is there alone.
  const Descriptor file(open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
  if (!file) refuse(path, errno);
  if (write_all(file, content) && fsync(file.get()) == 0) return;
  const int error_number = errno;
  unlink(path.c_str());
  refuse(path, error_number);
}

void hand_out(Session& session, const std::string& text, const std::function<std::string()>& said) {
  const std::string& path = session.options.out;
  if (!path.empty()) write_new_file(path, text);
  if (session.console.json()) {
    session.console.document({{"format_version", plan_format_version}, {"text", text}, {"saved_to", path}});
  } else {
    session.console.out() << (path.empty() ? text : said());
  }
}

}  // namespace gpuplan::command
