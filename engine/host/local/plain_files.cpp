#include "host/local/plain_files.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <memory>
#include <vector>

#include "host/files/descriptor.h"
#include "host/ports.h"

namespace gpuplan {
namespace {

FileAnswer failed() { return {errno, {}}; }

FileAnswer read_file(const std::string& path) {
  const Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY));
  if (!file) return failed();
  constexpr std::size_t first_chunk = 4096;  // most files of the kernel are smaller
  FileAnswer answer;
  std::size_t size = 0;
  for (;;) {
    answer.data.resize(std::max(first_chunk, 2 * size));
    const ssize_t count = read(file.get(), answer.data.data() + size, answer.data.size() - size);
    if (interrupted_call(count)) continue;
    if (count < 0) return failed();
    size += static_cast<std::size_t>(count);
    if (size > largest_file) return {EFBIG, {}};
    if (count == 0) break;
  }
  answer.data.resize(size);
  return answer;
}

FileAnswer list_directory(const std::string& path) {
  const std::unique_ptr<DIR, int (*)(DIR*)> directory(opendir(path.c_str()), closedir);
  if (!directory) return failed();
  std::vector<std::string> names;
  errno = 0;
  while (const dirent* entry = readdir(directory.get())) {
    const std::string name = entry->d_name;
    if (name != "." && name != "..") names.push_back(name);
    errno = 0;
  }
  if (errno != 0) return failed();
  std::sort(names.begin(), names.end());
  FileAnswer answer;
  for (const std::string& name : names) answer.data.append(name).push_back('\0');
  return answer;
}

FileAnswer read_symlink(const std::string& path) {
  std::array<char, PATH_MAX> target{};
  const ssize_t size = readlink(path.c_str(), target.data(), target.size());
  if (size < 0) return failed();
  return {0, std::string(target.data(), static_cast<std::size_t>(size))};
}

FileKind kind_of(mode_t mode) {
  if (S_ISDIR(mode)) return FileKind::directory;
  return S_ISLNK(mode) ? FileKind::symlink : FileKind::file;
}

FileAnswer look_at(const std::string& path) {
  struct stat status {};
  FileKind kind = FileKind::none;
  if (lstat(path.c_str(), &status) == 0) {
    kind = kind_of(status.st_mode);
  } else if (errno != ENOENT && errno != ENOTDIR && errno != ESRCH) {
    return failed();
  }
  return {0, std::to_string(static_cast<int>(kind))};
}

FileAnswer write_once(const std::string& path, const std::string& content) {
  const Descriptor file(open(path.c_str(), O_WRONLY | O_CLOEXEC | O_NOCTTY));
  if (!file) return failed();
  // Never a second write(2): a kernel file would take it as a second command.
  const ssize_t count = write(file.get(), content.data(), content.size());
  if (count < 0) return failed();
  return {0, std::to_string(count)};
}

}  // namespace

FileAnswer perform(const FileRequest& request) {
  switch (request.operation) {
    case FileOperation::read: return read_file(request.path);
    case FileOperation::list: return list_directory(request.path);
    case FileOperation::read_link: return read_symlink(request.path);
    case FileOperation::kind: return look_at(request.path);
    case FileOperation::write: return write_once(request.path, request.content);
  }
  return {EINVAL, {}};
}

}  // namespace gpuplan
