#include "property/recorded_run.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>

#include "host/interrupt.h"

namespace property {
namespace {

using namespace gpuplan;

std::string name_of(const Change& change, Stage stage) {
  return std::string(to_string(stage)) + " " + change.address.to_string();
}

// Places of starts and ends among all moments.
class Order {
 public:
  explicit Order(const RecordedRun& run) {
    for (std::size_t i = 0; i < run.moments().size(); ++i) {
      (run.moments()[i].end ? ends_ : starts_).emplace(run.moments()[i].stage, i);
    }
  }
  bool started(const std::string& stage) const { return starts_.count(stage) > 0; }
  // Both happened, and not in this order.
  bool wrong(const std::string& first, const std::string& second) const {
    const auto start = starts_.find(second);
    if (start == starts_.end() || !started(first)) return false;
    const auto end = ends_.find(first);
    return end == ends_.end() || end->second > start->second;
  }

 private:
  std::map<std::string, std::size_t> starts_, ends_;
};

// Everything that can be reached from each address along `edges`.
using Edges = std::map<Address, std::vector<Address>>;
std::map<Address, std::set<Address>> closure(const Edges& edges) {
  std::map<Address, std::set<Address>> out;
  for (const auto& entry : edges) {
    std::vector<Address> todo = entry.second;
    std::set<Address>& reached = out[entry.first];
    while (!todo.empty()) {
      const Address next = todo.back();
      todo.pop_back();
      if (!reached.insert(next).second) continue;
      const auto further = edges.find(next);
      if (further != edges.end()) todo.insert(todo.end(), further->second.begin(), further->second.end());
    }
  }
  return out;
}

std::set<std::string> items(const Attributes& attributes) {
  const std::vector<std::string> list = attributes.list("items");
  return {list.begin(), list.end()};
}

class Rules {
 public:
  Rules(const Plan& plan, const std::vector<OwnedResource>& owned, const RecordedRun& run) : plan_(plan), order_(run) {
    for (const OwnedResource& item : owned) recorded_[item.resource.address] = item.resource.depends_on;
    for (const Change& change : plan.changes) {
      if (change.action != Action::remove) declared_[change.address] = change.resource.depends_on;
    }
  }

  std::string broken() const {
    std::string out = dependencies_first("rule 1", Stage::apply, declared_, true);
    if (out.empty()) out = dependencies_first("rule 2", Stage::withdraw, recorded_, false);
    if (out.empty()) out = lets_go_first();
    if (out.empty()) out = one_change_in_order();
    if (out.empty()) out = items_released_first();
    return out;
  }

 private:
  std::string complaint(const std::string& rule, const std::string& first, const std::string& second) const {
    if (!order_.wrong(first, second)) return {};
    return rule + " of the order of stages: " + second + " did not wait for " + first;
  }

  // Applies go from dependencies to dependents, withdraws the other way.
  std::string dependencies_first(const std::string& rule, Stage stage, const Edges& edges, bool forward) const {
    for (const auto& [dependent, needs] : closure(edges)) {
      for (const Address& need : needs) {
        const std::string a = std::string(to_string(stage)) + " " + need.to_string();
        const std::string b = std::string(to_string(stage)) + " " + dependent.to_string();
        std::string out = forward ? complaint(rule, a, b) : complaint(rule, b, a);
        if (!out.empty()) return out;
      }
    }
    return {};
  }

  // Who stays, but needs another no more, lets go of it in the first stage that it has.
  std::string lets_go_first() const {
    for (const Change& change : plan_.changes) {
      const auto before = recorded_.find(change.address);
      const auto now = declared_.find(change.address);
      if (before == recorded_.end() || now == declared_.end()) continue;
      const Stage first = change.has_withdraw ? Stage::withdraw : Stage::apply;
      for (const Address& need : before->second) {
        if (std::find(now->second.begin(), now->second.end(), need) != now->second.end()) continue;
        std::string out = complaint("rule 2", name_of(change, first), "withdraw " + need.to_string());
        if (!out.empty()) return out;
      }
    }
    return {};
  }

  std::string one_change_in_order() const {
    for (const Change& change : plan_.changes) {
      for (const auto& [a, b] : {std::pair{Stage::withdraw, Stage::apply}, {Stage::apply, Stage::commit},
                                 {Stage::withdraw, Stage::commit}}) {
        std::string out = complaint("rule 3", name_of(change, a), name_of(change, b));
        if (!out.empty()) return out;
      }
    }
    return {};
  }

  std::string items_released_first() const {
    for (const Change& loser : plan_.changes) {
      if (!loser.before.exists) continue;
      std::set<std::string> lost = items(loser.before.attributes);
      if (loser.action != Action::remove) {
        for (const std::string& kept : items(loser.resource.declared)) lost.erase(kept);
      }
      for (const Change& gainer : plan_.changes) {
        if (gainer.action == Action::remove || gainer.address == loser.address) continue;
        for (const std::string& item : items(gainer.resource.declared)) {
          if (lost.count(item) == 0) continue;
          const Stage release = loser.has_withdraw ? Stage::withdraw : Stage::apply;
          std::string out = complaint("rule 4", name_of(loser, release), name_of(gainer, Stage::apply));
          if (!out.empty()) return out;
        }
      }
    }
    return {};
  }

  const Plan& plan_;
  Order order_;
  Edges recorded_, declared_;
};

}  // namespace

void RecordedRun::stage_started(const Change& change, Stage stage, bool /*undo*/) {
  moments_.push_back({name_of(change, stage), false});
  if (++started_ == interrupt_at_) Interrupt::request(2);
}

void RecordedRun::stage_finished(const Change& change, Stage stage, bool /*undo*/, double /*seconds*/) {
  moments_.push_back({name_of(change, stage), true});
}

std::string broken_edge(const Plan& plan, const RecordedRun& run) {
  const Order order(run);
  const auto name = [&](const PlannedStage& stage) { return name_of(plan.changes[stage.change], stage.stage); };
  for (const PlannedStage& later : plan.stages) {
    for (const std::size_t before : later.after) {
      const std::string first = name(plan.stages[before]);
      if (order.wrong(first, name(later)) || (order.started(name(later)) && !order.started(first))) {
        return name(later) + " did not wait for " + first + ", as the plan says";
      }
    }
    for (const PlannedStage& earlier : plan.stages) {
      if (phase_of(earlier) >= phase_of(later) || !order.wrong(name(earlier), name(later))) continue;
      return name(later) + " of a later phase did not wait for " + name(earlier);
    }
  }
  return {};
}

std::string broken_rule(const Plan& plan, const std::vector<OwnedResource>& owned, const RecordedRun& run) {
  return Rules(plan, owned, run).broken();
}

}  // namespace property
