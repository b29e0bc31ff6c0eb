#include "plan/selection.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <map>

#include "report/shell.h"

namespace gpuplan {
namespace {

bool contains(const std::vector<Address>& list, const Address& address) {
  return std::find(list.begin(), list.end(), address) != list.end();
}

std::vector<std::string> exclusive_items(const Resource& resource, const StepKinds& kinds) {
  std::vector<std::string> out;
  for (const AttributeSchema& schema : kinds.find(resource.address.kind())->schema()) {
    if (!schema.exclusive) continue;
    for (std::string& item : resource.declared.list(schema.name)) out.push_back(std::move(item));
  }
  return out;
}

// True if one of the exclusive items of `resource` is named like `address`: a VM holds its GPUs.
bool holds(const Resource& resource, const Address& address, const StepKinds& kinds) {
  const std::vector<std::string> items = exclusive_items(resource, kinds);
  return std::find(items.begin(), items.end(), address.name()) != items.end();
}

// Finds, in one graph, what goes with what.
class Closure {
 public:
  Closure(const ResourceGraph& graph, const StepKinds& kinds) : graph_(graph), kinds_(kinds) {}

  using Neighbours = std::function<std::vector<std::size_t>(std::size_t)>;

  std::set<std::size_t> of(std::set<std::size_t> found, const Neighbours& neighbours) const {
    std::vector<std::size_t> open(found.begin(), found.end());
    while (!open.empty()) {
      const std::size_t node = open.back();
      open.pop_back();
      for (const std::size_t next : neighbours(node)) {
        if (found.insert(next).second) open.push_back(next);
      }
    }
    return found;
  }

  // Everything that cannot be without one of `gone`. Grows until nothing is added: only the whole set
  // tells which dependency was the last of its kind.
  std::set<std::size_t> with_dependents(std::set<std::size_t> gone) const {
    for (bool grew = true; grew;) {
      grew = false;
      for (std::size_t i = 0; i < graph_.resources().size(); ++i) {
        if (gone.count(i) == 0 && cannot_be_without(i, gone)) grew = gone.insert(i).second;
      }
    }
    return gone;
  }

  // What must stay so that all of `kept` can: whatever would drag one of them along if it went.
  std::set<std::size_t> needed_by(const std::set<std::size_t>& kept) const {
    std::set<std::size_t> out = kept;
    for (std::size_t i = 0; i < graph_.resources().size(); ++i) {
      const std::set<std::size_t> gone = with_dependents({i});
      if (std::any_of(kept.begin(), kept.end(), [&](std::size_t node) { return gone.count(node) > 0; })) out.insert(i);
    }
    return out;
  }

 private:
  bool cannot_be_without(std::size_t i, const std::set<std::size_t>& gone) const {
    const Resource& resource = graph_.resources()[i];
    for (const std::size_t dependency : graph_.dependencies(i)) {
      if (gone.count(dependency) == 0) continue;
      const Address& address = graph_.resources()[dependency].address;
      if (contains(resource.lives_in, address) || holds(resource, address, kinds_)) return true;
      if (is_last_of_kind(i, address.kind(), gone)) return true;
    }
    return false;
  }

  bool is_last_of_kind(std::size_t i, std::string_view kind, const std::set<std::size_t>& gone) const {
    const std::vector<std::size_t> needs = graph_.dependencies(i);
    return std::none_of(needs.begin(), needs.end(), [&](std::size_t need) {
      return gone.count(need) == 0 && graph_.resources()[need].address.kind() == kind;
    });
  }

  const ResourceGraph& graph_;
  const StepKinds& kinds_;
};

std::set<std::size_t> find_all(const ResourceGraph& graph, const std::vector<Address>& wanted, std::string_view flag,
                               Diagnostics& diagnostics) {
  std::set<std::size_t> out;
  for (const Address& address : wanted) {
    if (const auto found = graph.find(address)) {
      out.insert(*found);
      continue;
    }
    std::vector<std::string_view> names;
    for (const Resource& resource : graph.resources()) names.push_back(resource.address.to_string());
    const std::string near = did_you_mean(address.to_string(), names);
    diagnostics.add({Severity::error, fmt::format("--{}: there is no {}", flag, address.to_string()),
                     "the spec does not declare it, and gpuplan has not made it",
                     near.empty() ? fmt::format("`{}` and `{}` list the addresses", suggested("graph SPEC"),
                                                suggested("status"))
                                  : fmt::format("did you mean {}?", near),
                     {}, std::nullopt});
  }
  return out;
}

// Finds what the changes of a partial plan would do to the resources that it leaves alone.
class SideEffects {
 public:
  SideEffects(const std::set<Address>& owned, const std::vector<Change>& changes, const StepKinds& kinds,
              Diagnostics& diagnostics)
      : owned_(owned), kinds_(kinds), diagnostics_(diagnostics) {
    for (const Change& change : changes) changes_.emplace(change.address, &change);
  }

  void check(const Resource& other) {
    const auto own = changes_.find(other.address);
    const Action action = own == changes_.end() ? Action::none : own->second->action;
    if (own == changes_.end() && owned_.count(other.address) > 0) {
      for (const Address& container : other.lives_in) {
        if (action_of(container) == Action::replace) harm(container, other, "is replaced", "lives in it");
      }
      check_items(other);
    }
    for (const auto& [address, change] : changes_) {
      if (change->action != Action::replace || action == Action::replace || action == Action::remove) continue;
      if (action != Action::create && holds(other, address, kinds_)) harm(address, other, "is replaced", "holds it");
    }
  }

 private:
  Action action_of(const Address& address) const {
    const auto found = changes_.find(address);
    return found == changes_.end() ? Action::none : found->second->action;
  }

  void check_items(const Resource& other) {
    const std::vector<std::string> held = exclusive_items(other, kinds_);
    for (const auto& [address, change] : changes_) {
      if (address.kind() != other.address.kind() || change->action == Action::remove) continue;
      for (const std::string& item : exclusive_items(change->resource, kinds_)) {
        if (std::find(held.begin(), held.end(), item) == held.end()) continue;
        harm(address, other, fmt::format("is to get {}", item), "holds it");
      }
    }
  }

  void harm(const Address& address, const Resource& other, std::string_view what, std::string_view why) {
    diagnostics_.add({Severity::error,
                      fmt::format("{} {}, but {} {} and is left as it is", address.to_string(), what,
                                  other.address.to_string(), why),
                      "the plan is about some resources only",
                      fmt::format("name {} in the same way too, or plan for all resources", other.address.to_string()),
                      address.to_string(), std::nullopt});
  }

  const std::set<Address>& owned_;
  const StepKinds& kinds_;
  Diagnostics& diagnostics_;
  std::map<Address, const Change*> changes_;
};

}  // namespace

std::set<Address> select(const ResourceGraph& graph, const std::set<Address>& declared, const Selection& selection,
                         const StepKinds& kinds, Diagnostics& diagnostics) {
  const Closure closure(graph, kinds);
  const auto is_declared = [&](std::size_t node) { return declared.count(graph.resources()[node].address) > 0; };
  std::set<std::size_t> all;
  for (std::size_t i = 0; i < graph.resources().size(); ++i) all.insert(i);
  find_all(graph, selection.replaces, "replace", diagnostics);
  const std::set<std::size_t> targets = find_all(graph, selection.targets, "target", diagnostics);
  const std::set<std::size_t> excludes = find_all(graph, selection.excludes, "exclude", diagnostics);

  std::set<std::size_t> chosen = selection.targets.empty() ? all : std::set<std::size_t>{};
  for (const std::size_t target : targets) {
    chosen.merge(is_declared(target)
                     ? closure.of({target}, [&](std::size_t node) { return graph.dependencies(node); })
                     : closure.with_dependents({target}));
  }
  std::set<std::size_t> left;
  for (const std::size_t exclude : excludes) {
    left.merge(is_declared(exclude) ? closure.of({exclude}, [&](std::size_t node) { return graph.dependents(node); })
                                    : closure.needed_by({exclude}));
  }
  std::set<Address> out;
  for (const std::size_t node : chosen) {
    if (left.count(node) == 0) out.insert(graph.resources()[node].address);
  }
  return out;
}

void check_selection(const ResourceGraph& graph, const std::set<Address>& owned, const std::vector<Change>& changes,
                     const StepKinds& kinds, Diagnostics& diagnostics) {
  SideEffects effects(owned, changes, kinds, diagnostics);
  for (const Resource& resource : graph.resources()) effects.check(resource);
}

Resource among(const std::set<Address>& addresses, Resource resource) {
  const auto foreign = [&](const Address& address) { return addresses.count(address) == 0; };
  for (std::vector<Address>* list : {&resource.depends_on, &resource.lives_in}) {
    list->erase(std::remove_if(list->begin(), list->end(), foreign), list->end());
  }
  return resource;
}

}  // namespace gpuplan
