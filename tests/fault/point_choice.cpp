#include "point_choice.h"

#include <algorithm>
#include <random>

namespace crash_matrix {
namespace {

struct Kind {
  const char* place;
  const char* effect;
  int Counts::*count;
  int sample;  // points to try without --full; 0: all
};

constexpr int every = 0;
constexpr Kind kinds[] = {
    {"call", "kill", &Counts::calls, every},
    {"call", "fail", &Counts::calls, every},
    {"call", "hang", &Counts::calls, 6},
    {"plugin", "kill", &Counts::plugin_calls, every},
    {"plugin", "fail", &Counts::plugin_calls, every},
    {"journal", "kill", &Counts::journal_writes, every},
    {"journal", "power-cut", &Counts::journal_writes, 12},
    {"journal", "fail", &Counts::journal_writes, every},
    {"journal", "hang", &Counts::journal_writes, 3},
    {"disk", "power-cut", &Counts::disk_writes, 12},
    {"disk", "full", &Counts::disk_writes, 5},
    {"disk", "io-error", &Counts::disk_writes, 5},
    {"disk", "read-only", &Counts::disk_writes, 5},
};
constexpr int sampled_recoveries = 6, all_recoveries = 100, double_faults = 200;

std::string fault_text(const std::string& place, int number, const std::string& effect) {
  return place + ":" + std::to_string(number) + ":" + effect;
}

// `sample` of 1 … `all`, evenly spaced.
std::vector<int> spread(int all, int sample, std::uint64_t seed) {
  std::vector<int> out;
  if (sample == every || sample >= all) sample = all;
  const auto offset = static_cast<int>(seed % static_cast<std::uint64_t>(std::max(all, 1)));
  for (int i = 0; i < sample; ++i) out.push_back(1 + (offset + i * all / sample) % all);
  std::sort(out.begin(), out.end());
  return out;
}

int pick(std::mt19937_64& random, int from, int to) {  // std's own distributions differ between libraries
  return from + static_cast<int>(random() % static_cast<std::uint64_t>(std::max(to - from + 1, 1)));
}

// The recovery of a run that was killed at a host call is killed at one of its own. Undoing takes about as many calls as
// were made, completing those that were not.
Row crashes_of(Recovery recovery, const Prepared& prepared, int number, std::mt19937_64& random) {
  Row row{recovery == Recovery::rollback ? "call kill, rollback kill" : "call kill, apply kill", 0, {}};
  const int calls = prepared.counts.calls;
  for (int i = 0; i < number; ++i) {
    const int first = 1 + (pick(random, 0, calls / number) + i * calls / number) % calls;
    const int span = recovery == Recovery::rollback ? first : calls - first + 1;
    Point point{{fault_text("call", first, "kill")}, recovery, {}};
    const bool at_journal = pick(random, 0, 3) == 0;
    point.recovery_fault = fault_text(at_journal ? "journal" : "call", pick(random, 1, std::max(span * 2 / 3, 1)),
                                      pick(random, 0, 3) == 0 ? "power-cut" : "kill");
    row.points.push_back(std::move(point));
  }
  return row;
}

// Two faults: both in the run, of which the first does not kill, or the second in the recovery.
Row random_pairs(const Prepared& prepared, std::mt19937_64& random) {
  Row row{"random pairs", 0, {}};
  const auto fault = [&](bool may_kill) {
    std::vector<const Kind*> fitting;
    for (const Kind& kind : kinds) {
      const std::string effect = kind.effect;
      if (may_kill || (effect != "kill" && effect != "power-cut")) fitting.push_back(&kind);
    }
    const Kind& kind = *fitting[static_cast<std::size_t>(pick(random, 0, static_cast<int>(fitting.size()) - 1))];
    return fault_text(kind.place, pick(random, 1, prepared.counts.*kind.count), kind.effect);
  };
  for (int i = 0; i < double_faults; ++i) {
    Point point;
    const int form = pick(random, 0, 2);
    point.faults = {fault(form != 0)};
    if (form == 0) point.faults.push_back(fault(true));
    else point.interrupted = form == 1 ? Recovery::rollback : Recovery::apply;
    if (form != 0) point.recovery_fault = fault(true);
    row.points.push_back(std::move(point));
  }
  return row;
}

}  // namespace

std::vector<Row> choose_points(const Prepared& prepared, bool full, std::uint64_t seed) {
  std::vector<Row> out;
  std::mt19937_64 random(seed);
  for (const Kind& kind : kinds) {
    Row row{std::string(kind.place) + " " + kind.effect, prepared.counts.*kind.count, {}};
    for (const int number : spread(row.all, full ? every : kind.sample, random())) {
      row.points.push_back({{fault_text(kind.place, number, kind.effect)}, Recovery::rollback, {}});
    }
    out.push_back(std::move(row));
  }
  const int recoveries = full ? all_recoveries : sampled_recoveries;
  const Row rollbacks = crashes_of(Recovery::rollback, prepared, recoveries, random);
  if (!prepared.scenario.commits_at_once) out.push_back(rollbacks);
  out.push_back(crashes_of(Recovery::apply, prepared, recoveries, random));
  if (full) out.push_back(random_pairs(prepared, random));
  return out;
}

}  // namespace crash_matrix
