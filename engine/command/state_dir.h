// Where a user's journals and simulated servers are kept.
#pragma once

#include <string>
#include <vector>

namespace gpuplan::command {

// STATE_DIR/clusters/NAME/{journal.db,lock,ssh/,logs/,kubeconfig}, and STATE_DIR/sim for the models of simulated servers.
class StateDir {
 public:
  explicit StateDir(std::string path) : path_(std::move(path)) {}

  const std::string& path() const { return path_; }
  std::string cluster_directory(const std::string& cluster) const;
  std::string journal(const std::string& cluster) const;
  std::string lock(const std::string& cluster) const;
  std::string ssh_keys(const std::string& cluster) const;  // a directory
  std::string node_logs(const std::string& cluster) const;  // a directory
  std::string node_log(const std::string& cluster, const std::string& node) const;  // what was installed on it
  std::string kubeconfig(const std::string& cluster) const;  // the copy that is kept of the control plane's

  // Clusters that have a journal, sorted. Throws Failure if the directory cannot be read.
  std::vector<std::string> clusters() const;
  // Throws Failure if somebody else can put other files in the place of a cluster's: one of its directories belongs to
  // another user than root or the one that runs gpuplan, or others can write it; for root, also if that is so of a directory
  // above them. Those that are absent pass.
  void require_private(const std::string& cluster) const;
  // require_private(), then makes the directories of a cluster, mode 0700. For verbs that write. Throws Failure.
  void make(const std::string& cluster) const;

 private:
  void require_roots_own_way(const std::string& cluster) const;

  std::string path_;
};

}  // namespace gpuplan::command
