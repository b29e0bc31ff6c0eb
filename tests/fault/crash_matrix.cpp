// The crash matrix: interrupts runs of gpuplan on the simulated 8-GPU server at every point, and recovers from each.
// scripts/crash_matrix builds and starts it.
#include <atomic>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <mutex>
#include <stdexcept>
#include <thread>

#include "point_choice.h"
#include "support/temporary_directory.h"
#include "trial.h"

namespace {

using namespace crash_matrix;

constexpr const char* usage =
    "usage: crash_matrix [--full] [--scenario NAME] [--seed N] [--jobs N] [--list]\n"
    "       crash_matrix --scenario NAME --point POINT\n"
    "  --full      nothing sampled, and random double faults\n"
    "  --scenario  apply, rollback, destroy, remove-worker or move-gpu alone\n"
    "  --seed      decides which points are sampled, and the random ones (default: 1)\n"
    "  --jobs      trials at a time (default: one for each processor)\n"
    "  --list      print the points instead of trying them\n"
    "  --point     try this one, print what was run, and keep the state directories\n";

struct Options {
  bool full = false, list = false;
  std::string scenario, point;
  std::uint64_t seed = 1;
  unsigned jobs = std::max(2U, std::thread::hardware_concurrency());
};

Options read_options(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    const auto value = [&]() -> std::string {
      if (++i >= argc) throw std::invalid_argument(word + " needs a value");
      return argv[i];
    };
    if (word == "--full") options.full = true;
    else if (word == "--list") options.list = true;
    else if (word == "--scenario") options.scenario = value();
    else if (word == "--point") options.point = value();
    else if (word == "--seed") options.seed = std::stoull(value());
    else if (word == "--jobs") options.jobs = static_cast<unsigned>(std::max(std::stoi(value()), 1));
    else throw std::invalid_argument("unknown argument '" + word + "'");
  }
  if (!options.point.empty() && options.scenario.empty()) throw std::invalid_argument("--point needs --scenario");
  return options;
}

struct Tally {
  int points = 0, missed = 0, recoveries = 0, failures = 0;
};

class Matrix {
 public:
  Matrix(const Options& options, const Workshop& workshop) : options_(options), workshop_(workshop) {}

  void run(const Prepared& prepared) {
    const std::vector<Row> rows = choose_points(prepared, options_.full, options_.seed);
    std::vector<std::pair<std::size_t, const Point*>> work;
    for (std::size_t row = 0; row < rows.size(); ++row) {
      for (const Point& point : rows[row].points) work.emplace_back(row, &point);
    }
    std::vector<Tally> tallies(rows.size());
    std::atomic<std::size_t> next{0};
    std::vector<std::thread> threads;
    for (unsigned i = 0; i < options_.jobs; ++i) {
      threads.emplace_back([&, i] {
        const std::string place = workshop_.directory() + "/trial" + std::to_string(i);
        for (std::size_t at = next++; at < work.size(); at = next++) {
          take(prepared, *work[at].second, place, tallies[work[at].first]);
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    for (std::size_t row = 0; row < rows.size(); ++row) print(prepared.scenario.name, rows[row], tallies[row]);
    require_points(prepared, tallies);
  }

  // One point, with all that was run for it.
  void replay(const Prepared& prepared, const Point& point) {
    Tally tally;
    const std::string place = workshop_.directory() + "/trial";
    for (const std::string& command : take(prepared, point, place, tally).commands) std::cout << command << "\n";
    std::cout << "what was left of it: " << workshop_.directory() << "\n";
  }

  void print_head() const {
    std::printf("%-14s %-26s %7s %7s %11s %9s\n", "scenario", "fault", "points", "of", "recoveries", "failures");
  }
  int passed() const { return recoveries_ - failed_; }
  int failed() const { return failed_; }

 private:
  Verdict take(const Prepared& prepared, const Point& point, const std::string& place, Tally& tally) {
    Verdict verdict;
    try {
      verdict = try_point(prepared, point, workshop_, place);
    } catch (const std::exception& error) {
      verdict.failures.push_back(error.what());
      ++verdict.recoveries;
    }
    const std::lock_guard<std::mutex> lock(mutex_);
    ++(verdict.struck ? tally.points : tally.missed);
    tally.recoveries += verdict.recoveries;
    recoveries_ += verdict.recoveries;
    if (verdict.failures.empty()) return verdict;
    ++tally.failures;
    ++failed_;
    std::cout << "FAILED: scripts/crash_matrix --scenario " << prepared.scenario.name << " --point '" << point.text() << "'\n";
    for (const std::string& failure : verdict.failures) std::cout << "  " << failure << "\n";
    std::cout << std::flush;
    return verdict;
  }

  static void print(const std::string& scenario, const Row& row, const Tally& tally) {
    const std::string all = row.all > 0 ? std::to_string(row.all) : "-";
    std::printf("%-14s %-26s %7d %7s %11d %9d\n", scenario.c_str(), row.fault.c_str(), tally.points, all.c_str(),
                tally.recoveries, tally.failures);
    if (tally.missed > 0) std::printf("%-14s   %d recoveries ended before their fault\n", "", tally.missed);
    std::fflush(stdout);
  }

  // A matrix without points would prove nothing: every scenario changes GPUs, VMs and nodes.
  void require_points(const Prepared& prepared, const std::vector<Tally>& tallies) {
    const Counts& counts = prepared.counts;
    bool enough = counts.calls >= 10 && counts.journal_writes >= 8 && counts.plugin_calls >= 10 && counts.disk_writes >= 30;
    for (const Tally& tally : tallies) enough = enough && tally.points > 0;
    if (enough) return;
    ++failed_;
    std::cout << "FAILED: " << prepared.scenario.name << " has too few points to prove anything\n";
  }

  const Options& options_;
  const Workshop& workshop_;
  std::mutex mutex_;
  int recoveries_ = 0;
  int failed_ = 0;
};

int run(const Options& options) {
  const auto started = std::chrono::steady_clock::now();
  std::unique_ptr<TemporaryDirectory> temporary;
  std::string directory;
  if (options.point.empty()) {
    temporary = std::make_unique<TemporaryDirectory>(TemporaryDirectory::in_memory());
    directory = temporary->path();
  } else {
    std::string name = (std::filesystem::temp_directory_path() / "gpuplan-crash-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("cannot make a temporary directory");
    directory = name;
  }
  const Workshop workshop(directory);
  write_specs(directory);
  Matrix matrix(options, workshop);
  std::cout << "seed " << options.seed << (options.full ? ", every point" : ", some rows sampled") << std::endl;
  matrix.print_head();
  bool known = options.scenario.empty();
  for (const Scenario& scenario : scenarios(directory)) {
    if (!options.scenario.empty() && options.scenario != scenario.name) continue;
    known = true;
    const Prepared prepared = prepare(scenario, workshop);
    if (!options.point.empty()) {
      matrix.replay(prepared, parse_point(options.point));
    } else if (options.list) {
      for (const Row& row : choose_points(prepared, options.full, options.seed)) {
        for (const Point& point : row.points) std::cout << scenario.name << " " << point.text() << "\n";
      }
    } else {
      matrix.run(prepared);
    }
  }
  if (!known) throw std::invalid_argument("there is no scenario '" + options.scenario + "'");
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - started;
  std::printf("%.0f s\n%d passed, %d failed\n", took.count(), matrix.passed(), matrix.failed());
  return matrix.failed() == 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(read_options(argc, argv));
  } catch (const std::invalid_argument& error) {
    std::cerr << "crash_matrix: " << error.what() << "\n" << usage;
    return 64;
  } catch (const std::exception& error) {
    std::cerr << "crash_matrix: " << error.what() << "\n";
    return 1;
  }
}
