#include "plan/stage_order.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <string_view>
#include <unordered_map>

#include "graph/dag.h"

namespace gpuplan {
namespace {

constexpr std::size_t none = static_cast<std::size_t>(-1);

struct StageNodes {
  std::array<std::size_t, 3> of{none, none, none};  // by Stage
  std::size_t& operator[](Stage stage) { return of[static_cast<std::size_t>(stage)]; }
  std::size_t operator[](Stage stage) const { return of[static_cast<std::size_t>(stage)]; }
};

using Frontier = std::vector<std::size_t>;  // stages, ascending
using Frontiers = std::vector<std::optional<Frontier>>;  // by change; nothing where nobody has asked yet

// Builds the stage graph of one plan.
class StageGraph {
 public:
  StageGraph(const StageOrderInput& input, const StepKinds& kinds) : input_(input), kinds_(kinds) {
    const std::size_t count = input_.changes.size();
    index_.reserve(count);
    for (std::size_t i = 0; i < count; ++i) index_.emplace(input_.changes[i].address.to_string(), i);
    for (Frontiers* memory : {&apply_frontiers_, &release_frontiers_, &commit_frontiers_}) memory->resize(count);
    number_stages();
    collect_neighbours();
  }

  std::vector<PlannedStage> build(Diagnostics& diagnostics) {
    Dag dag(stages_.size());
    for (std::size_t i = 0; i < input_.changes.size(); ++i) {
      order_within(dag, i);
      order_applies(dag, i);
      order_withdraws(dag, i);
    }
    order_exclusive_items(dag);
    std::vector<std::size_t> order = dag.order();
    if (order.size() < stages_.size()) report_cycle(dag, diagnostics);
    mark_commit_phase(dag, order);
    return in_final_order(dag, std::move(order));
  }

 private:
  void number_stages() {
    nodes_.resize(input_.changes.size());
    for (std::size_t i = 0; i < input_.changes.size(); ++i) {
      const Change& change = input_.changes[i];
      const auto add = [&](bool wanted, Stage stage) {
        if (!wanted) return;
        nodes_[i][stage] = stages_.size();
        stages_.push_back({i, stage, false, {}});
      };
      add(change.has_withdraw, Stage::withdraw);
      add(change.has_apply, Stage::apply);
      add(change.has_commit, Stage::commit);
    }
  }

  void collect_neighbours() {
    new_needs_.resize(input_.changes.size());
    old_needs_.resize(input_.changes.size());
    old_needed_by_.resize(input_.changes.size());
    for (std::size_t i = 0; i < input_.changes.size(); ++i) {
      const Change& change = input_.changes[i];
      if (change.action != Action::remove) new_needs_[i] = indexes(change.resource.depends_on);
      // An existing thing that gpuplan does not own has no recorded edges: the declared ones serve.
      const bool existed = change.action != Action::create;
      old_needs_[i] = indexes(input_.depended_on[i].empty() && existed ? change.resource.depends_on : input_.depended_on[i]);
      for (const std::size_t need : old_needs_[i]) old_needed_by_[need].push_back(i);
    }
  }

  std::vector<std::size_t> indexes(const std::vector<Address>& addresses) const {
    std::vector<std::size_t> out;
    for (const Address& address : addresses) {
      const auto found = index_.find(address.to_string());
      if (found != index_.end()) out.push_back(found->second);
    }
    return out;
  }

  static void add(Dag& dag, std::size_t before, std::size_t after) {
    if (before != none && after != none && before != after) dag.add_edge(before, after);
  }

  void order_within(Dag& dag, std::size_t i) const {
    const StageNodes& node = nodes_[i];
    add(dag, node[Stage::withdraw], node[Stage::apply]);
    add(dag, node[Stage::apply] != none ? node[Stage::apply] : node[Stage::withdraw], node[Stage::commit]);
  }

  // The applies that must be done before anything that needs change `i` may apply: its own, or, where
  // it has none, those of what it needs itself.
  const Frontier& apply_frontier(std::size_t i) { return frontier(i, Stage::apply, apply_frontiers_, new_needs_); }
  // The same towards dependents, for withdraw and for commit.
  const Frontier& release_frontier(std::size_t i) {
    return frontier(i, Stage::withdraw, release_frontiers_, old_needed_by_);
  }
  const Frontier& commit_frontier(std::size_t i) {
    return frontier(i, Stage::commit, commit_frontiers_, old_needed_by_);
  }

  // Goes through chains of changes without the stage, which may be long: without recursion.
  const Frontier& frontier(std::size_t i, Stage stage, Frontiers& memory,
                           const std::vector<std::vector<std::size_t>>& neighbours) const {
    if (memory[i]) return *memory[i];
    struct Visit {
      std::size_t change;
      std::size_t seen = 0;  // of its neighbours
    };
    // Entered before it is filled, so that edges that changed direction cannot lead round for ever.
    memory[i].emplace();
    std::vector<Visit> open = {{i}};
    while (!open.empty()) {
      const std::size_t change = open.back().change;
      const bool has_own = nodes_[change][stage] != none;
      if (!has_own && open.back().seen < neighbours[change].size()) {
        const std::size_t next = neighbours[change][open.back().seen++];
        if (memory[next]) continue;
        memory[next].emplace();
        open.push_back({next});
        continue;
      }
      memory[change] = has_own ? Frontier{nodes_[change][stage]} : united(memory, neighbours[change]);
      open.pop_back();
    }
    return *memory[i];
  }

  static Frontier united(const Frontiers& memory, const std::vector<std::size_t>& changes) {
    Frontier out;
    for (const std::size_t change : changes) out.insert(out.end(), memory[change]->begin(), memory[change]->end());
    std::sort(out.begin(), out.end());
    out.erase(std::unique(out.begin(), out.end()), out.end());
    return out;
  }

  void order_applies(Dag& dag, std::size_t i) {
    const std::size_t own = nodes_[i][Stage::apply];
    if (own == none) return;
    for (const std::size_t need : new_needs_[i]) {
      for (const std::size_t before : apply_frontier(need)) add(dag, before, own);
    }
  }

  void order_withdraws(Dag& dag, std::size_t i) {
    const std::size_t own = nodes_[i][Stage::withdraw];
    const std::size_t own_commit = nodes_[i][Stage::commit];
    for (const std::size_t dependent : old_needed_by_[i]) {
      if (own != none) {
        for (const std::size_t before : release_frontier(dependent)) add(dag, before, own);
        let_go_first(dag, i, dependent);
      }
      if (own_commit != none) {
        for (const std::size_t before : commit_frontier(dependent)) add(dag, before, own_commit);
      }
    }
  }

  // A dependent that stays, but not with this resource, lets go of it in its apply unless it has a withdraw.
  void let_go_first(Dag& dag, std::size_t i, std::size_t dependent) const {
    const StageNodes& node = nodes_[dependent];
    const auto& needs = new_needs_[dependent];
    const bool still_needs = std::find(needs.begin(), needs.end(), i) != needs.end();
    if (node[Stage::withdraw] == none && !still_needs) add(dag, node[Stage::apply], nodes_[i][Stage::withdraw]);
  }

  static std::vector<std::string> items_of(const Value& value) {
    const auto* list = std::get_if<std::vector<std::string>>(&value);
    return list != nullptr ? *list : std::vector<std::string>{};
  }

  // Whoever loses an item of an exclusive attribute lets go of it before another takes it.
  void order_exclusive_items(Dag& dag) const {
    for (const auto& entry : kinds_.entries()) {
      for (const AttributeSchema& schema : entry.kind->schema()) {
        if (schema.exclusive) order_exclusive_items(dag, entry.kind->kind(), schema.name);
      }
    }
  }

  void order_exclusive_items(Dag& dag, std::string_view kind, const std::string& attribute) const {
    std::map<std::string, std::vector<std::size_t>> losers;
    std::map<std::string, std::vector<std::size_t>> gainers;
    for (std::size_t i = 0; i < input_.changes.size(); ++i) {
      const Change& change = input_.changes[i];
      if (change.address.kind() != kind) continue;
      const Value* before = change.before.exists ? change.before.attributes.find(attribute) : nullptr;
      const Value* after = change.action == Action::remove ? nullptr : change.resource.declared.find(attribute);
      const auto had = before != nullptr ? items_of(*before) : std::vector<std::string>{};
      const auto gets = after != nullptr ? items_of(*after) : std::vector<std::string>{};
      for (const std::string& item : had) {
        if (std::find(gets.begin(), gets.end(), item) == gets.end()) losers[item].push_back(i);
      }
      for (const std::string& item : gets) {
        if (std::find(had.begin(), had.end(), item) == had.end()) gainers[item].push_back(i);
      }
    }
    for (const auto& [item, from] : losers) {
      const auto to = gainers.find(item);
      if (to == gainers.end()) continue;
      for (const std::size_t loser : from) {
        for (const std::size_t release : releases(loser)) {
          for (const std::size_t gainer : to->second) add(dag, release, nodes_[gainer][Stage::apply]);
        }
      }
    }
  }

  // The stages with which a change lets go of what it holds: where it has none, those of what it goes with.
  std::vector<std::size_t> releases(std::size_t i) const {
    const StageNodes& node = nodes_[i];
    if (node[Stage::withdraw] != none) return {node[Stage::withdraw]};
    if (node[Stage::apply] != none) return {node[Stage::apply]};
    std::vector<std::size_t> out;
    for (const std::size_t container : indexes(input_.changes[i].resource.lives_in)) {
      for (const std::size_t release : releases(container)) out.push_back(release);
    }
    return out;
  }

  void report_cycle(const Dag& dag, Diagnostics& diagnostics) const {
    const auto cycle = dag.find_cycle();
    std::string text;
    for (const std::size_t node : cycle) text += describe(node) + " → ";
    diagnostics.add({Severity::error, "no order of the changes is possible: " + text + describe(cycle.front()),
                     "each of these would have to wait for the other",
                     "make the change in two steps: apply a spec without one of the two resources first",
                     input_.changes[stages_[cycle.front()].change].address.to_string(), std::nullopt});
  }

  std::string describe(std::size_t node) const {
    return fmt::format("{} {}", to_string(stages_[node].stage), input_.changes[stages_[node].change].address.to_string());
  }

  void mark_commit_phase(const Dag& dag, const std::vector<std::size_t>& order) {
    for (const std::size_t node : order) {
      PlannedStage& stage = stages_[node];
      const Change& change = input_.changes[stage.change];
      stage.commit_phase = stage.stage == Stage::commit ||
                           (stage.stage == Stage::withdraw && change.withdraw_is_irreversible);
      for (const std::size_t before : dag.predecessors(node)) {
        stage.commit_phase = stage.commit_phase || stages_[before].commit_phase;
      }
    }
  }

  std::vector<PlannedStage> in_final_order(const Dag& dag, std::vector<std::size_t> order) const {
    std::stable_sort(order.begin(), order.end(),
                     [&](std::size_t a, std::size_t b) { return phase_of(stages_[a]) < phase_of(stages_[b]); });
    std::vector<std::size_t> place(stages_.size(), none);
    for (std::size_t i = 0; i < order.size(); ++i) place[order[i]] = i;
    std::vector<PlannedStage> out;
    out.reserve(order.size());
    for (const std::size_t node : order) {
      PlannedStage stage = stages_[node];
      for (const std::size_t before : dag.predecessors(node)) {
        if (place[before] != none) stage.after.push_back(place[before]);
      }
      std::sort(stage.after.begin(), stage.after.end());
      out.push_back(std::move(stage));
    }
    return out;
  }

  const StageOrderInput& input_;
  const StepKinds& kinds_;
  std::unordered_map<std::string_view, std::size_t> index_;  // views of the addresses in input_
  std::vector<StageNodes> nodes_;
  std::vector<PlannedStage> stages_;
  std::vector<std::vector<std::size_t>> new_needs_, old_needs_, old_needed_by_;
  Frontiers apply_frontiers_, release_frontiers_, commit_frontiers_;
};

}  // namespace

std::vector<PlannedStage> order_stages(const StageOrderInput& input, const StepKinds& kinds,
                                       Diagnostics& diagnostics) {
  return StageGraph(input, kinds).build(diagnostics);
}

}  // namespace gpuplan
