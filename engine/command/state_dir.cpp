#include "command/state_dir.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "command/exit_codes.h"
#include "command/failure.h"
#include "host/host_error.h"

namespace gpuplan::command {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void refuse(std::string_view what, const fs::path& path, const std::error_code& error) {
  throw Failure(exit_nothing_changed,
                fmt::format("cannot {} {}: {}", what, printable(path.string()), words_for_errno(error.value())), {},
                error == std::errc::permission_denied
                    ? "run gpuplan as the user who owns it; with another --state-dir gpuplan would not know what is made"
                    : "give a directory of yours with --state-dir DIR, or set GPUPLAN_STATE_DIR");
}

}  // namespace

std::string StateDir::cluster_directory(const std::string& cluster) const { return path_ + "/clusters/" + cluster; }
std::string StateDir::journal(const std::string& cluster) const { return cluster_directory(cluster) + "/journal.db"; }
std::string StateDir::ssh_keys(const std::string& cluster) const { return cluster_directory(cluster) + "/ssh"; }
std::string StateDir::kubeconfig(const std::string& cluster) const { return cluster_directory(cluster) + "/kubeconfig"; }
std::string StateDir::node_logs(const std::string& cluster) const { return cluster_directory(cluster) + "/logs"; }
std::string StateDir::node_log(const std::string& cluster, const std::string& node) const {
  return fmt::format("{}/{}.log", node_logs(cluster), node);
}
std::string StateDir::lock(const std::string& cluster) const { return cluster_directory(cluster) + "/lock"; }

std::vector<std::string> StateDir::clusters() const {
  std::vector<std::string> names;
  std::error_code error;
  fs::directory_iterator entry(path_ + "/clusters", error);
  if (error == std::errc::no_such_file_or_directory) return names;
  if (error) refuse("list", path_ + "/clusters", error);
  for (; entry != fs::directory_iterator(); entry.increment(error)) {
    if (error) refuse("list", path_ + "/clusters", error);
    std::error_code ignored;
    if (fs::exists(entry->path() / "journal.db", ignored)) names.push_back(entry->path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

void StateDir::make(const std::string& cluster) const {
  // The process's umask is 077: what is made here is for its user alone.
  std::error_code error;
  fs::create_directories(cluster_directory(cluster), error);
  if (error) refuse("make the directory", cluster_directory(cluster), error);
}

}  // namespace gpuplan::command
