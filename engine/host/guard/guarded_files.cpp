#include "host/guard/guarded_view.h"

namespace gpuplan {

std::string GuardedFiles::read(const std::string& path) { return host_.files().read(path); }

std::vector<std::string> GuardedFiles::list(const std::string& path) { return host_.files().list(path); }

std::string GuardedFiles::read_link(const std::string& path) { return host_.files().read_link(path); }

FileKind GuardedFiles::kind(const std::string& path) { return host_.files().kind(path); }

void GuardedFiles::write(const std::string& path, const std::string& content, std::chrono::seconds limit) {
  guard_.before("write " + path, path, limit);
  host_.files().write(path, content, limit);
}

void GuardedFiles::put_file(const std::string& path, const std::string& content, unsigned mode) {
  guard_.before("write " + path, path);
  host_.files().put_file(path, content, mode);
}

void GuardedFiles::remove_file(const std::string& path) {
  guard_.before("remove " + path, path);
  host_.files().remove_file(path);
}

void GuardedFiles::make_directory(const std::string& path, unsigned mode) {
  guard_.before("make the directory " + path, path);
  host_.files().make_directory(path, mode);
}

void GuardedFiles::remove_directory(const std::string& path) {
  guard_.before("remove the directory " + path, path);
  host_.files().remove_directory(path);
}

}  // namespace gpuplan
