#include "host/local/local_files.h"

#include <fmt/format.h>

#include <cerrno>
#include <filesystem>
#include <string_view>

#include "host/files/durable_files.h"
#include "host/files/file_errors.h"

namespace gpuplan {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

std::string verb_of(FileOperation operation) {
  switch (operation) {
    case FileOperation::read: return "read";
    case FileOperation::list: return "list";
    case FileOperation::read_link: return "read the link";
    case FileOperation::kind: return "examine";
    case FileOperation::write: return "write";
  }
  return "use";
}

}  // namespace

bool can_hang(const std::string& path) {
  const std::string plain = std::filesystem::path(path).lexically_normal().string();
  // All of /sys, not only bus/pci, devices/pci* and kernel/iommu_groups: its links lead there.
  for (const std::string_view prefix : {"/sys/", "/proc/driver/"}) {
    if (plain.compare(0, prefix.size(), prefix) == 0) return true;
  }
  return false;
}

LocalFiles::LocalFiles(std::string root, milliseconds read_limit, std::string child_program,
                       std::shared_ptr<AbandonedChildren> abandoned)
    : root_(std::move(root)), read_limit_(read_limit), pool_(std::move(child_program), std::move(abandoned)) {}

std::string LocalFiles::at_root(const std::string& path) const {
  if (path.empty() || path[0] != '/' || path.find('\0') != std::string::npos) {
    throw HostError(HostError::Kind::failed, path, fmt::format("cannot use the path \"{}\": it is not absolute", path));
  }
  return root_ + path;
}

std::string LocalFiles::data(FileOperation operation, const std::string& path, const std::string& content,
                             milliseconds limit) {
  const FileRequest request{operation, at_root(path), content};
  FileAnswer answer = can_hang(path) ? pool_.ask(request, limit) : perform(request);
  if (answer.error == EINVAL && operation == FileOperation::read_link) {
    throw HostError(HostError::Kind::failed, path, fmt::format("cannot read the link {}: it is not a symbolic link", path));
  }
  if (answer.error != 0) throw file_error(verb_of(operation), request.path, answer.error);
  return std::move(answer.data);
}

std::string LocalFiles::read(const std::string& path) { return data(FileOperation::read, path, {}, read_limit_); }

std::vector<std::string> LocalFiles::list(const std::string& path) {
  const std::string packed = data(FileOperation::list, path, {}, read_limit_);
  std::vector<std::string> names;
  for (std::size_t begin = 0; begin < packed.size();) {
    const std::size_t end = packed.find('\0', begin);
    names.push_back(packed.substr(begin, end - begin));
    begin = end + 1;
  }
  return names;
}

std::string LocalFiles::read_link(const std::string& path) {
  return data(FileOperation::read_link, path, {}, read_limit_);
}

FileKind LocalFiles::kind(const std::string& path) {
  return static_cast<FileKind>(std::stoi(data(FileOperation::kind, path, {}, read_limit_)));
}

void LocalFiles::write(const std::string& path, const std::string& content, seconds limit) {
  const std::string taken = data(FileOperation::write, path, content, limit);
  if (taken == std::to_string(content.size())) return;
  throw HostError(HostError::Kind::failed, path,
                  fmt::format("cannot write {}: it took {} of {} bytes", at_root(path), taken, content.size()));
}

void LocalFiles::put_file(const std::string& path, const std::string& content, unsigned mode) {
  replace_file(at_root(path), content, mode);
}

void LocalFiles::remove_file(const std::string& path) { remove_file_durably(at_root(path)); }

void LocalFiles::make_directory(const std::string& path, unsigned mode) { make_directories(at_root(path), mode); }

void LocalFiles::remove_directory(const std::string& path) { remove_empty_directory(at_root(path)); }

}  // namespace gpuplan
