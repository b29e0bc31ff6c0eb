// Kills the program at every mutating host call and at every journal write of an apply of the 8-GPU
// spec, then recovers in both ways: rollback must restore the server, apply must converge.
#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <mutex>
#include <regex>
#include <sstream>
#include <thread>

#include "support/catch.h"
#include "support/model_essence.h"
#include "support/run_program.h"
#include "support/temporary_directory.h"

namespace fs = std::filesystem;

namespace {

constexpr int killed = 128 + 9;

std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

struct Failure {
  std::string point;
  std::string what;
};

class CrashMatrix {
 public:
  CrashMatrix() {
    std::string host = read_file(std::string(GPUPLAN_SOURCE_DIR) + "/specs/hosts/h100-sxm8.yaml");
    host = std::regex_replace(host, std::regex("(^|\n)clock_speed:[^\n]*"), "$1") + "\nclock_speed: 0\n";
    host_file_ = base_ / "host.yaml";
    // A kill while the finished cluster is tested has nothing to recover.
    std::ofstream(spec_) << read_file(std::string(GPUPLAN_SOURCE_DIR) + "/specs/h100-8gpu.yaml") << "\nverify: false\n";
    std::ofstream(host_file_, std::ios::binary) << host;
    before_ = model_essence(host_file_);
  }

  // Tries the points 1, 2, … of `kind` ("call", "journal") until one lies behind the end of the run.
  void run(const std::string& kind, const std::string& effect, int expected) {
    std::atomic<int> next{1};
    std::atomic<int> end{1 << 20};
    std::vector<std::thread> threads;
    const unsigned workers = std::max(2U, std::thread::hardware_concurrency());
    for (unsigned i = 0; i < workers; ++i) {
      threads.emplace_back([&, i] {
        for (int n = next++; n < end; n = next++) {
          const std::string point = kind + ":" + std::to_string(n) + ":" + effect;
          if (!try_point(point, expected, base_ / (kind + std::to_string(i)))) {
            int known = end;
            while (n < known && !end.compare_exchange_weak(known, n)) {}
          }
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    points_[kind + " " + effect] = end - 1;
  }

  int points(const std::string& name) { return points_[name]; }
  int recoveries() const { return recoveries_; }
  const std::vector<Failure>& failures() const { return failures_; }

 private:
  // False if the run ended before the point was reached.
  bool try_point(const std::string& point, int expected, const std::string& directory) {
    fs::remove_all(directory);
    fs::create_directory(directory);
    const std::string crashed = directory + "/crashed";
    const int code = gpuplan({"apply", spec_, "--yes", "--fault", point}, crashed);
    if (code == 0) return false;
    if (code != expected) complain(point, "the apply ended with exit code " + std::to_string(code) + "\n" + output(crashed));
    recover_by_rollback(point, copy(crashed, directory + "/rollback"));
    recover_by_apply(point, copy(crashed, directory + "/apply"));
    return true;
  }

  void recover_by_rollback(const std::string& point, const std::string& state) {
    ++recoveries_;
    const int code = gpuplan({"rollback", "--yes"}, state);
    if (code != 0) complain(point, "rollback ended with exit code " + std::to_string(code) + "\n" + output(state));
    if (!fs::exists(state + "/sim")) return;  // nothing was ever changed
    std::size_t models = 0;
    for (const auto& entry : fs::directory_iterator(state + "/sim")) {
      if (entry.path().extension() != ".yaml") continue;
      ++models;
      const std::string now = model_essence(entry.path());
      if (now != before_) complain(point, "rollback left another server:\n" + first_difference(before_, now));
    }
    if (models != 1) complain(point, "there is not one current model");
  }

  void recover_by_apply(const std::string& point, const std::string& state) {
    ++recoveries_;
    const int code = gpuplan({"apply", spec_, "--yes"}, state);
    if (code != 0) return complain(point, "apply ended with exit code " + std::to_string(code) + "\n" + output(state));
    const int left = gpuplan({"plan", spec_, "--detailed-exitcode"}, state);
    if (left != 0) complain(point, "the plan after apply is not empty\n" + output(state));
  }

  int gpuplan(std::vector<std::string> words, const std::string& state) const {
    for (const std::string& word : {std::string("--host"), "sim:" + host_file_, std::string("--parallelism"), std::string("1")}) {
      words.push_back(word);
    }
    return run_program(words, state, state + ".out", state + ".err");
  }

  static std::string output(const std::string& state) { return read_file(state + ".out") + read_file(state + ".err"); }

  static std::string copy(const std::string& from, const std::string& to) {
    if (fs::exists(from)) fs::copy(from, to, fs::copy_options::recursive);
    return to;
  }

  void complain(const std::string& point, const std::string& what) {
    const std::lock_guard<std::mutex> lock(mutex_);
    failures_.push_back({point, what});
  }

  TemporaryDirectory base_;
  const std::string spec_ = base_ / "spec.yaml";
  std::string host_file_;
  std::string before_;
  std::map<std::string, int> points_;
  std::atomic<int> recoveries_{0};
  std::mutex mutex_;
  std::vector<Failure> failures_;
};

}  // namespace

TEST_CASE("killed at every mutating host call and journal write, rollback restores and apply converges") {
  CrashMatrix matrix;
  matrix.run("call", "kill", killed);
  matrix.run("journal", "kill", killed);
  matrix.run("call", "fail", 3);
  std::cout << "host calls: " << matrix.points("call kill") << " kills, " << matrix.points("call fail")
            << " failures; journal writes: " << matrix.points("journal kill")
            << " kills; recoveries tried: " << matrix.recoveries() << "; failed: " << matrix.failures().size() << "\n";
  // A matrix without points would prove nothing: one bind of a GPU alone takes several calls.
  CHECK(matrix.points("call kill") > 50);
  CHECK(matrix.points("journal kill") > 30);
  CHECK(matrix.points("call fail") == matrix.points("call kill"));
  for (const Failure& failure : matrix.failures()) {
    UNSCOPED_INFO(failure.point << ": " << failure.what);
  }
  CHECK(matrix.failures().empty());
}
