#include "command/state_dir.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "command/exit_codes.h"
#include "command/failure.h"
#include "command/options.h"
#include "host/files/open_part.h"
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

void require_private_directory(const std::string& path) {
  struct stat facts {};
  if (stat(path.c_str(), &facts) != 0) return;
  const auto refuse_it = [&](const std::string& what, const std::string& remedy) {
    throw Failure(exit_nothing_changed, fmt::format("the state directory {} {}", printable(path), what),
                  "whoever can change what is in it decides what gpuplan does", remedy);
  };
  if (facts.st_uid != geteuid() && facts.st_uid != 0) {
    refuse_it(fmt::format("belongs to user id {}", facts.st_uid), "run gpuplan as that user, or give a directory of yours with --state-dir DIR");
  }
  if ((facts.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
    refuse_it(fmt::format("can be written by others (mode {:04o})", facts.st_mode & 07777U),
              fmt::format("look at who changed it, then `chmod 0700 {}`", shell_quoted(path)));
  }
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

void StateDir::require_private(const std::string& cluster) const {
  for (const std::string& path : {path_, path_ + "/clusters", cluster_directory(cluster)}) require_private_directory(path);
  require_roots_own_way(cluster);
}

void StateDir::require_roots_own_way(const std::string& cluster) const {
  if (geteuid() != 0) return;
  const auto open = open_part(cluster_directory(cluster), 0);
  if (!open || open->why == OpenPart::Why::unreadable) return;
  const bool foreign = open->why == OpenPart::Why::foreign;
  throw Failure(exit_nothing_changed,
                fmt::format("{}, which leads to the state directory {}, {}", printable(open->path), printable(path_),
                            to_words(*open)),
                "whoever can put another directory there decides what gpuplan does",
                fmt::format("look at who made it so, then `{} {}`; or give a directory below root's own with --state-dir DIR",
                            foreign ? "chown -h root:root" : "chmod go-w", shell_quoted(open->path)));
}

void StateDir::make(const std::string& cluster) const {
  require_private(cluster);
  // The process's umask is 077: what is made here is for its user alone.
  std::error_code error;
  fs::create_directories(cluster_directory(cluster), error);
  if (error) refuse("make the directory", cluster_directory(cluster), error);
}

}  // namespace gpuplan::command
