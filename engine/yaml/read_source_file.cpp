#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "yaml/parse.h"

namespace gpuplan {
namespace {

class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  ~Descriptor() {
    if (number_ >= 0) ::close(number_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int number() const { return number_; }

 private:
  int number_;
};

std::nullptr_t refuse(Diagnostics& diagnostics, std::string summary, std::string remedy) {
  diagnostics.add({Severity::error, std::move(summary), {}, std::move(remedy), {}, std::nullopt});
  return nullptr;
}

std::nullptr_t refuse_errno(Diagnostics& diagnostics, const std::string& path, std::string_view what, int code) {
  switch (code) {
    case ENOENT:
      return refuse(diagnostics, fmt::format("{}: there is no such file", path), "check the path");
    case ENOTDIR:
      return refuse(diagnostics, fmt::format("{}: a part of the path is not a directory", path), "check the path");
    case EACCES:
    case EPERM:
      return refuse(diagnostics, fmt::format("{}: you may not read this file", path),
                    fmt::format("see who may: ls -l {}", path));
    default:
      break;
  }
  return refuse(diagnostics, fmt::format("{}: cannot {}: {}", path, what, std::generic_category().message(code)),
                "check the path and the disk that it is on");
}

}  // namespace

std::shared_ptr<const SourceFile> read_source_file(const std::string& path, Diagnostics& diagnostics,
                                                   std::size_t max_bytes) {
  if (path.find('\0') != std::string::npos) {
    return refuse(diagnostics, "a path must not contain a NUL character", "check the path");
  }
  // O_NONBLOCK: opening a pipe that nobody writes to must not hang.
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (file.number() < 0) return refuse_errno(diagnostics, path, "open", errno);
  struct stat status {};
  if (::fstat(file.number(), &status) != 0) return refuse_errno(diagnostics, path, "look at", errno);
  if (!S_ISREG(status.st_mode)) {
    return refuse(diagnostics,
                  fmt::format("{}: {}, not a file", path,
                              S_ISDIR(status.st_mode) ? "this is a directory" : "this is a device or pipe"),
                  "give the path of a YAML file");
  }
  auto source = std::make_shared<SourceFile>();
  source->name = path;
  const auto too_large = [&] {
    source->text.clear();
    diagnostics.error({source, 1, 1, 1}, fmt::format("the file is larger than {} bytes", max_bytes),
                      "check that this is the file you meant");
    return nullptr;
  };
  if (static_cast<std::uint64_t>(status.st_size) > max_bytes) return too_large();
  // The size may lie (files in /proc) or grow meanwhile, so the loop counts for itself.
  std::string buffer(std::size_t{1} << 16U, '\0');
  for (;;) {
    const ssize_t got = ::read(file.number(), buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return refuse_errno(diagnostics, path, "read", errno);
    if (got == 0) return source;
    source->text.append(buffer.data(), static_cast<std::size_t>(got));
    if (source->text.size() > max_bytes) return too_large();
  }
}

}  // namespace gpuplan
