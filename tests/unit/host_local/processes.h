// A look at other processes through /proc, for tests that start some.
#pragma once

#include <sys/types.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

#include "support/host_files.h"

namespace gpuplan {

// The numbers of the descriptors that the process has open, in ascending order.
inline std::vector<int> descriptors_of(pid_t process) {
  std::vector<int> numbers;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/" + std::to_string(process) + "/fd")) {
    numbers.push_back(std::stoi(entry.path().filename().string()));
  }
  std::sort(numbers.begin(), numbers.end());
  return numbers;
}

// 'R', 'S', 'Z', …; 0 if there is no such process.
inline char state_of(pid_t process) {
  const std::string stat = content_of("/proc/" + std::to_string(process) + "/stat");
  const std::size_t end_of_name = stat.rfind(')');
  return end_of_name == std::string::npos ? '\0' : stat[end_of_name + 2];
}

inline bool is_gone(pid_t process) { return state_of(process) == '\0' || state_of(process) == 'Z'; }

// The living children of this process whose command line contains `word`.
inline std::vector<pid_t> children_with(const std::string& word) {
  std::vector<pid_t> found;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    const std::string name = entry.path().filename().string();
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    const auto pid = static_cast<pid_t>(std::stol(name));
    const std::string status = content_of(entry.path().string() + "/status");
    if (status.find("\nPPid:\t" + std::to_string(getpid()) + "\n") == std::string::npos || is_gone(pid)) continue;
    if (content_of(entry.path().string() + "/cmdline").find(word) != std::string::npos) found.push_back(pid);
  }
  return found;
}

// Looks until `condition` holds, at most ten seconds.
template <typename Condition>
bool comes_true(Condition condition) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (std::chrono::steady_clock::now() < deadline) {
    if (condition()) return true;
  }
  return condition();
}

}  // namespace gpuplan
