#include "node_disk.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>

namespace gpuplan::standin {
namespace {

namespace fs = std::filesystem;

const std::string state_file = std::string(directory) + "/state.json";

void take_in(sim::GuestDisk& disk, const fs::path& path) {
  struct stat status {};
  if (stat(path.c_str(), &status) != 0 || !S_ISREG(status.st_mode)) return;
  disk.files[path.string()] = {read_text(path.string()), status.st_mode & 07777U};
}

}  // namespace

std::string read_text(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

void write_text(const std::string& path, const std::string& content, unsigned mode) {
  fs::create_directories(fs::path(path).parent_path());
  const std::string fresh = path + ".new";
  std::ofstream out(fresh, std::ios::binary | std::ios::trunc);
  out << content;
  out.close();
  if (!out || chmod(fresh.c_str(), mode) != 0) throw std::runtime_error("cannot write " + path);
  fs::rename(fresh, path);
}

NodeDisk::NodeDisk(const std::vector<std::string>& argv) {
  fs::create_directories(directory);
  lock_ = open((std::string(directory) + "/lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (lock_ < 0 || flock(lock_, LOCK_EX) != 0) throw std::runtime_error("cannot lock the node's state");
  const std::string state = read_text(state_file);
  if (!state.empty()) disk_.state = parse_json(state, state_file);
  for (const std::string& argument : argv) {
    if (argument.rfind('/', 0) == 0) take_in(disk_, argument);
  }
  std::error_code none;
  for (const auto& entry : fs::recursive_directory_iterator(kubernetes_directory, none)) take_in(disk_, entry.path());
  before_ = disk_;
}

NodeDisk::~NodeDisk() { close(lock_); }

void NodeDisk::save() {
  const auto is_ours = [](const std::string& path) { return path.rfind(std::string(kubernetes_directory) + "/", 0) == 0; };
  for (const auto& [path, file] : disk_.files) {
    const auto old = before_.files.find(path);
    const bool same = old != before_.files.end() && old->second.content == file.content && old->second.mode == file.mode;
    if (!same && is_ours(path)) write_text(path, file.content, file.mode);
  }
  for (const auto& [path, file] : before_.files) {
    if (disk_.files.count(path) == 0 && is_ours(path)) fs::remove(path);
  }
  if (disk_.state != before_.state) write_text(state_file, disk_.state.dump(1), 0600);
  before_ = disk_;
}

}  // namespace gpuplan::standin
