#include "host/files/durable_files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "digest/digest.h"
#include "host/files/descriptor.h"
#include "host/files/file_errors.h"

namespace gpuplan {
namespace {

constexpr mode_t permission_bits = 07777;
constexpr mode_t parent_mode = 0755;

HostError refused(const std::string& path, const std::string& why) {
  return HostError(HostError::Kind::refused, path, fmt::format("cannot replace {}: {}", path, why));
}

// "/a/b" → "/a" and "b".
std::pair<std::string, std::string> split(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos || slash + 1 == path.size()) throw file_error("use", path, EINVAL);
  return {slash == 0 ? "/" : path.substr(0, slash), path.substr(slash + 1)};
}

Descriptor open_directory(const std::string& verb, const std::string& path, const std::string& directory) {
  Descriptor opened(open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!opened) throw file_error(verb, path, errno);
  return opened;
}

void require_private_directory(const Descriptor& directory, const std::string& path, const std::string& name) {
  struct stat status {};
  if (fstat(directory.get(), &status) != 0) throw file_error("examine", name, errno);
  if (geteuid() != 0) return;
  const bool of_others = status.st_uid != 0;
  const bool for_group = (status.st_mode & S_IWGRP) != 0 && status.st_gid != 0;
  const bool for_all = (status.st_mode & S_IWOTH) != 0;
  if (!of_others && !for_group && !for_all) return;
  throw refused(path, fmt::format("others than root can write into {}; make it root's own (chown root:root, chmod 755)",
                                  name));
}

void require_regular_or_absent(const Descriptor& directory, const std::string& name, const std::string& path) {
  struct stat status {};
  if (fstatat(directory.get(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
    if (errno == ENOENT) return;
    throw file_error("replace", path, errno);
  }
  if (S_ISLNK(status.st_mode)) throw refused(path, "it is a symbolic link, and gpuplan follows none; remove the link");
  if (!S_ISREG(status.st_mode)) throw refused(path, "it is not a regular file");
}

// A new file next to the one that it will replace; gone again unless it was moved there.
class NewFile {
 public:
  NewFile(const Descriptor& directory, const std::string& name, const std::string& path)
      : directory_(directory), path_(path), name_("." + name + ".gpuplan-" + random_hex(8)) {
    file_ = Descriptor(openat(directory.get(), name_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!file_) fail();
  }
  ~NewFile() {
    if (!moved_ && file_) unlinkat(directory_.get(), name_.c_str(), 0);
  }
  NewFile(const NewFile&) = delete;
  NewFile& operator=(const NewFile&) = delete;

  void fill(const std::string& content, mode_t mode) {
    if (fchmod(file_.get(), mode) != 0) fail();
    if (!write_all(file_, content) || fsync(file_.get()) != 0) fail();
  }
  void move_to(const std::string& name) {
    if (renameat(directory_.get(), name_.c_str(), directory_.get(), name.c_str()) != 0) fail();
    moved_ = true;
    if (fsync(directory_.get()) != 0) fail();
  }

 private:
  [[noreturn]] void fail() const { throw file_error("write", path_, errno); }

  const Descriptor& directory_;
  const std::string& path_;
  const std::string name_;
  Descriptor file_;
  bool moved_ = false;
};

}  // namespace

void replace_file(const std::string& path, const std::string& content, unsigned mode) {
  const auto [directory_name, name] = split(path);
  const Descriptor directory = open_directory("write", path, directory_name);
  require_private_directory(directory, path, directory_name);
  require_regular_or_absent(directory, name, path);
  NewFile file(directory, name, path);
  file.fill(content, static_cast<mode_t>(mode) & permission_bits);
  file.move_to(name);
}

void remove_file_durably(const std::string& path) {
  if (unlink(path.c_str()) != 0) {
    if (errno == ENOENT || errno == ENOTDIR) return;
    throw file_error("remove", path, errno);
  }
  if (fsync(open_directory("remove", path, split(path).first).get()) != 0) throw file_error("remove", path, errno);
}

void make_directories(const std::string& path, unsigned mode) {
  struct stat status {};
  if (stat(path.c_str(), &status) == 0) {
    if (!S_ISDIR(status.st_mode)) throw file_error("make the directory", path, ENOTDIR);
    return;
  }
  const std::string parent = split(path).first;
  if (parent != "/") make_directories(parent, parent_mode);
  if (mkdir(path.c_str(), 0700) != 0) {
    if (errno == EEXIST) return;  // another step was faster
    throw file_error("make the directory", path, errno);
  }
  // Not through the argument of mkdir: the umask would take from it.
  if (chmod(path.c_str(), static_cast<mode_t>(mode) & permission_bits) != 0) {
    throw file_error("make the directory", path, errno);
  }
}

void remove_empty_directory(const std::string& path) {
  if (rmdir(path.c_str()) == 0 || errno == ENOENT || errno == ENOTEMPTY || errno == EEXIST) return;
  throw file_error("remove the directory", path, errno);
}

}  // namespace gpuplan
