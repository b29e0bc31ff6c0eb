// bench: measures gpuplan, and ninja and make at the same graphs. Prints Markdown. See docs/performance.md.
#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <vector>

#include "bench/build_files.h"
#include "bench/child.h"
#include "bench/engine_work.h"
#include "bench/machine.h"
#include "plan/heap_growth.h"

namespace bench {
namespace {

namespace fs = std::filesystem;

struct Size {
  std::size_t count;
  std::size_t runs;
};
constexpr Size sizes[] = {{1'000, 15}, {10'000, 9}, {30'000, 7}, {100'000, 5}};
constexpr std::size_t applied = 10'000;
constexpr std::size_t apply_runs = 3;

void row(const std::string& work, const std::string& wall, const std::string& engine, const std::string& memory,
         const std::string& aim) {
  fmt::print("| {} | {} | {} | {} | {} |\n", work, wall, engine, memory, aim);
  std::fflush(stdout);
}

std::string time_text(double seconds) {
  if (seconds < 0.001) return fmt::format("{:.0f} µs", seconds * 1e6);
  return seconds < 1 ? fmt::format("{:.1f} ms", seconds * 1e3) : fmt::format("{:.2f} s", seconds);
}

std::string memory_text(std::int64_t kib) { return fmt::format("{:.1f} MB", static_cast<double>(kib) * 1024 / 1e6); }

// The seconds that a run of ours prints, and what the whole process cost: the median of several.
struct EngineCost {
  Cost process;
  double seconds = 0;
};

EngineCost engine_median(std::size_t runs, const std::vector<std::string>& words, const std::string& directory) {
  run_child(words, directory);
  std::vector<double> engine, wall, peak;
  for (std::size_t run = 0; run < runs; ++run) {
    const Cost cost = run_child(words, directory);
    engine.push_back(std::stod(cost.output));
    wall.push_back(cost.seconds);
    peak.push_back(static_cast<double>(cost.peak_kib));
  }
  EngineCost out;
  out.seconds = median(std::move(engine));
  out.process.seconds = median(std::move(wall));
  out.process.peak_kib = static_cast<std::int64_t>(median(std::move(peak)));
  return out;
}

class Benchmark {
 public:
  Benchmark(std::string self, fs::path directory) : self_(std::move(self)), directory_(std::move(directory)) {}

  void run() {
    fmt::print("## Machine\n\n{}\n", describe_machine(directory_.string()));
    fmt::print(
        "## Method\n\nEvery figure is the median of several runs ({}, and {} of `apply`) of a process of its own, after "
        "one that is not counted. "
        "Wall time is from before its start until it was waited for; memory is its largest resident set (wait4). Each "
        "resource has three dependencies, five attributes, one check, and a place where each attribute was read. "
        "ninja has one `generator` rule per output, without a build log; make runs without its built-in rules (-r).\n\n",
        fmt::format("{} of the spec, {}, {}, {}, {} by size", spec_runs, sizes[0].runs, sizes[1].runs, sizes[2].runs,
                    sizes[3].runs),
        apply_runs);
    fmt::print("## Figures\n\n");
    row("work", "wall time", "of it the engine", "peak memory", "aim");
    row("---", "--:", "--:", "--:", "---");
    plan_spec();
    plan_graphs();
    for (const Size& size : sizes) build_tools(size);
    apply_graph();
  }

 private:
  static constexpr std::size_t spec_runs = 31;

  void plan_spec() const {
    setenv("GPUPLAN_STATE_DIR", (directory_ / "state").c_str(), 1);
    const Cost cost = median_of(
        spec_runs, {GPUPLAN_PROGRAM, "plan", "specs/h100-8gpu.yaml", "--host", "sim:specs/hosts/h100-sxm8.yaml"},
        GPUPLAN_SOURCE_DIR);
    row("`gpuplan plan`, 8 GPUs, simulated host", time_text(cost.seconds), "", memory_text(cost.peak_kib), "30 ms");
  }

  void plan_graphs() const {
    double of_10k = 0;
    for (const auto& [count, runs] : sizes) {
      const auto cost = engine_median(runs, {self_, "no-change-plan", std::to_string(count)}, directory_.string());
      const double wall = cost.process.seconds;
      std::string aim;
      if (count == 10'000) {
        of_10k = wall;
        aim = "0.25 s, 100 MB";
      }
      if (count == 100'000) aim = fmt::format("12 × 10,000; is {:.1f} ×", wall / of_10k);
      row(fmt::format("no-change plan, {} resources", count), time_text(wall), time_text(cost.seconds),
          memory_text(cost.process.peak_kib), aim);
    }
  }

  void build_tools(const Size& size) const {
    const fs::path place = directory_ / "build-files";
    fs::remove_all(place);
    fs::create_directories(place);
    run_child({self_, "write-build-files", std::to_string(size.count), place.string()}, place.string());
    build_tool(size, "ninja", {"-n"}, "no work to do", place);
    build_tool(size, "make", {"-r", "-n"}, "Nothing to be done", place);
    fs::remove_all(place);
  }

  static void build_tool(const Size& size, const std::string& name, const std::vector<std::string>& flags,
                         const std::string& says, const fs::path& place) {
    const std::string work = fmt::format("{} {}, {} outputs", name, fmt::join(flags, " "), size.count);
    const auto program = find_program(name);
    if (!program) return row(work, "not installed", "", "", "");
    std::vector<std::string> words = {*program};
    words.insert(words.end(), flags.begin(), flags.end());
    const Cost cost = median_of(size.runs, words, place.string());
    if (cost.output.find(says) == std::string::npos) {
      throw std::runtime_error(fmt::format("{} found something to do: {}", work, cost.output.substr(0, 200)));
    }
    row(work, time_text(cost.seconds), "", memory_text(cost.peak_kib), "");
  }

  void apply_graph() const {
    const fs::path place = directory_ / "apply";
    const std::string journal = (place / "journal.db").string();
    std::vector<double> syncs, engine, wall, peak;
    for (std::size_t run = 0; run < apply_runs; ++run) {
      fs::remove_all(place);
      fs::create_directories(place);
      syncs.push_back(std::stod(run_child({self_, "sync-cost", place.string()}, place.string()).output));
      const Cost cost = run_child({self_, "apply", std::to_string(applied), journal}, place.string());
      engine.push_back(std::stod(cost.output));
      wall.push_back(cost.seconds);
      peak.push_back(static_cast<double>(cost.peak_kib));
    }
    const double seconds = median(engine);
    row(fmt::format("`apply`, {} steps, durable journal", applied), time_text(median(wall)), time_text(seconds),
        memory_text(static_cast<std::int64_t>(median(peak))), "");
    row("… per step", "", time_text(seconds / applied), "", "");
    row("one fdatasync of that disk", time_text(median(syncs)), "", "", "");
    const auto plan = engine_median(sizes[1].runs, {self_, "no-change-plan", std::to_string(applied), journal},
                                    directory_.string());
    row(fmt::format("no-change plan, {} resources owned in that journal", applied), time_text(plan.process.seconds),
        time_text(plan.seconds), memory_text(plan.process.peak_kib), "");
  }

  std::string self_;
  fs::path directory_;
};

int measure(const std::string& self) {
  const fs::path directory = GPUPLAN_BENCH_DIR;  // on the disk of the build, which no tmpfs is likely to be
  fs::remove_all(directory);
  fs::create_directories(directory);
  Benchmark(self, directory).run();
  fs::remove_all(directory);
  return 0;
}

int run(const std::vector<std::string>& words) {
  const auto is = [&](const char* verb, std::size_t least, std::size_t most) {
    return words.size() > least && words.size() <= most + 1 && words[0] == verb;
  };
  if (words.empty()) return measure(fs::read_symlink("/proc/self/exe").string());
  if (is("no-change-plan", 1, 2)) return no_change_plan(std::stoul(words[1]), words.size() > 2 ? words[2] : "");
  if (is("apply", 2, 2)) return apply(std::stoul(words[1]), words[2]);
  if (is("sync-cost", 1, 1)) return sync_cost(words[1]);
  if (is("write-build-files", 2, 2)) return write_build_files(std::stoul(words[1]), words[2]);
  fmt::print(stderr,
             "bench: unknown arguments. Without any, it measures everything; or one of\n"
             "  bench no-change-plan COUNT [JOURNAL]\n  bench apply COUNT JOURNAL\n  bench sync-cost DIRECTORY\n"
             "  bench write-build-files COUNT DIRECTORY\n");
  return 64;
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) {
  gpuplan::grow_heap_in_large_steps();  // as the program does
  try {
    return bench::run({argv + 1, argv + argc});
  } catch (const std::exception& error) {
    fmt::print(stderr, "bench: {}\n", error.what());
    return 1;
  }
}
