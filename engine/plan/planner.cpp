#include "plan/planner.h"

#include <fmt/format.h>

#include <algorithm>
#include <mutex>
#include <numeric>
#include <set>
#include <utility>

#include "graph/resource_graph.h"
#include "plan/contained_call.h"
#include "plan/expand.h"
#include "plan/owned_index.h"
#include "plan/parallel.h"
#include "plan/schema_check.h"
#include "plan/selection.h"
#include "plan/stage_order.h"

namespace gpuplan {
namespace {

// Which resources a plan takes away, as plan_removal sees it.
class WithdrawnSet : public RemovalScope {
 public:
  void add(const Address& address) { addresses_.insert(address); }
  bool is_withdrawn(const Address& address) const override { return addresses_.count(address) > 0; }

 private:
  std::set<Address> addresses_;
};

bool has_stages(const Change& change) { return change.has_withdraw || change.has_apply || change.has_commit; }

// The changes in `order`, which names each once. In place: they are by far the largest part of a plan.
std::vector<Change> in_order(std::vector<Change> changes, std::vector<std::size_t> order) {
  for (std::size_t start = 0; start < order.size(); ++start) {
    if (order[start] == start) continue;
    Change first = std::move(changes[start]);
    std::size_t at = start;
    while (order[at] != start) {
      changes[at] = std::move(changes[order[at]]);
      at = std::exchange(order[at], at);
    }
    changes[at] = std::move(first);
    order[at] = at;
  }
  return changes;
}

// One act of planning. Every member function reports into result_ and goes on where that makes sense.
class Planning {
 public:
  Planning(const StepKinds& kinds, const std::vector<OwnedResource>& owned, HostReader& host,
           const PlannerOptions& options)
      : kinds_(kinds), owned_(owned), host_(host), options_(options) {}

  std::vector<Resource> expand(const Spec& spec) {
    return expand_spec(spec, kinds_, options_.watch, result_.diagnostics);
  }

  ResourceGraph graph_of_declared(std::vector<Resource> resources) {
    declared_ = resources.size();
    return graph_of(std::move(resources));
  }

  // Runs the checks of what is declared.
  void run_checks(const ResourceGraph& graph, const Spec& spec) {
    std::vector<std::vector<CheckResult>> found(graph.resources().size());
    std::vector<std::size_t> nodes;
    for (const std::size_t i : graph.order()) {
      if (is_declared(i)) nodes.push_back(i);
    }
    in_parallel(nodes, "checked", [&](std::size_t i) {
      const Resource& resource = graph.resources()[i];
      const StepKinds::Entry& plugin = plugin_of(resource.address);
      contain(plugin, "check", resource.address, [&] {
        found[i] = plugin.kind->check(resource, spec, owned_.prior(resource.address), host_);
      });
    });
    bool only_reboot = true;
    bool failed = false;
    result_.checks.reserve(std::accumulate(found.begin(), found.end(), std::size_t{0},
                                           [](std::size_t count, const auto& checks) { return count + checks.size(); }));
    for (const std::size_t i : nodes) {
      for (CheckResult& check : found[i]) {
        if (check.status == CheckStatus::fail) {
          failed = true;
          only_reboot = only_reboot && check.needs_reboot;
        }
        result_.checks.push_back(std::move(check));
      }
    }
    result_.needs_reboot = failed && only_reboot;
    checks_failed_ = failed;
  }

  // Observes and compares every resource of the graph, containers before what lives in them.
  void compare_all(const ResourceGraph& graph) {
    changes_.resize(graph.resources().size());
    for (const std::vector<std::size_t>& level : levels(graph)) {
      in_parallel(level, "observed", [&](std::size_t i) {
        const Resource& resource = graph.resources()[i];
        changes_[i] = is_declared(i) ? change_declared(graph, resource) : change_removed(resource);
      });
    }
  }

  void plan_removals() {
    WithdrawnSet withdrawn;
    for (const Change& change : changes_) {
      if (change.action == Action::remove || change.action == Action::replace) withdrawn.add(change.address);
    }
    for (Change& change : changes_) {
      if (change.action != Action::remove && change.action != Action::replace) continue;
      const StepKinds::Entry& plugin = plugin_of(change.address);
      contain(plugin, "plan_removal", change.address, [&] { plugin.kind->plan_removal(change, withdrawn); });
    }
  }

  void finish(const ResourceGraph& graph, Plan plan) {
    StageOrderInput input;
    input.changes = in_order(std::move(changes_), graph.order());
    if (std::any_of(input.changes.begin(), input.changes.end(), has_stages)) {
      for (const Change& change : input.changes) {
        const OwnedResource* owned = owned_.find(change.address);
        input.depended_on.push_back(owned == nullptr ? std::vector<Address>{} : owned->resource.depends_on);
      }
      plan.stages = order_stages(input, kinds_, result_.diagnostics);
    }
    plan.changes = std::move(input.changes);
    plan.host_identity = host_.identity();
    plan.host_description = host_.description();
    for (const Diagnostic& item : result_.diagnostics.items()) {
      if (item.severity == Severity::warning) plan.warnings.push_back(item);
    }
    if (!result_.diagnostics.has_errors()) result_.plan = std::move(plan);
  }

  // Plans `declared`, whose checks see `spec`, and the removal of what is owned besides.
  PlanningResult plan(std::vector<Resource> declared, const Spec* spec, Plan plan) {
    declared_ = declared.size();
    add_removed(declared);
    const ResourceGraph everything = graph_of(std::move(declared));
    if (!may_go_on()) return std::move(result_);
    std::optional<ResourceGraph> part;
    if (!(options_.selection == Selection{})) part = selected(everything);
    const ResourceGraph& graph = part ? *part : everything;
    if (!may_go_on()) return std::move(result_);
    if (spec != nullptr) run_checks(graph, *spec);
    if (!may_go_on()) return std::move(result_);
    compare_all(graph);
    if (!may_go_on()) return std::move(result_);
    if (part) check_selection(everything, owned_.addresses(), changes_, kinds_, result_.diagnostics);
    plan_removals();
    plan.selection = options_.selection;
    finish(graph, std::move(plan));
    return std::move(result_);
  }

  // Also notices an interrupt, after which what was read is not complete.
  bool may_go_on() {
    if (Interrupt::requested()) {
      result_.diagnostics.add({Severity::error, "interrupted while planning; nothing was changed", {}, {}, {}, std::nullopt});
    }
    return !result_.diagnostics.has_errors() && !checks_failed_;
  }
  PlanningResult& result() { return result_; }

 private:
  // In every graph of a plan, what is declared stands before what is removed.
  bool is_declared(std::size_t node) const { return node < declared_; }

  ResourceGraph graph_of(std::vector<Resource> resources) {
    return build_graph(std::move(resources), kinds_, result_.diagnostics);
  }

  // Adds to what is declared what is owned besides, without edges to what is neither.
  void add_removed(std::vector<Resource>& resources) const {
    const std::vector<const Resource*> removed = owned_.besides(resources);
    if (removed.empty()) return;
    std::set<Address> all = owned_.addresses();
    for (const Resource& resource : resources) all.insert(resource.address);
    for (const Resource* resource : removed) resources.push_back(among(all, *resource));
  }

  // The part of `everything` that the plan is about.
  ResourceGraph selected(const ResourceGraph& everything) {
    const Selection& selection = options_.selection;
    std::set<Address> declared;
    for (std::size_t i = 0; i < declared_; ++i) declared.insert(everything.resources()[i].address);
    const std::set<Address> chosen = select(everything, declared, selection, kinds_, result_.diagnostics);
    for (const Address& address : selection.replaces) {
      if (owned_.find(address) != nullptr || !everything.find(address)) continue;
      result_.diagnostics.add({Severity::error, fmt::format("--replace: gpuplan has not made {}", address.to_string()),
                               "what it did not make it does not replace", "leave --replace away", {}, std::nullopt});
    }
    std::vector<Resource> resources;
    for (const Resource& resource : everything.resources()) {
      if (chosen.count(resource.address) > 0) resources.push_back(among(chosen, resource));
    }
    declared_ = static_cast<std::size_t>(std::count_if(
        declared.begin(), declared.end(), [&](const Address& address) { return chosen.count(address) > 0; }));
    if (selection.is_partial() && !result_.diagnostics.has_errors()) {
      result_.diagnostics.add(
          {Severity::warning,
           fmt::format("this is about {} of {} resources", resources.size(), everything.resources().size()),
           "the result need not be what the spec declares", "plan without --target and --exclude for the whole", {},
           std::nullopt});
    }
    return graph_of(std::move(resources));
  }

  bool is_to_be_replaced(const Address& address) const {
    const std::vector<Address>& replaces = options_.selection.replaces;
    return std::find(replaces.begin(), replaces.end(), address) != replaces.end();
  }

  const StepKinds::Entry& plugin_of(const Address& address) const { return *kinds_.find_entry(address.kind()); }

  // Calls into a plugin or, through it, the host; whatever goes wrong becomes an error.
  template <typename Call>
  void contain(const StepKinds::Entry& plugin, std::string_view entry_point, const Address& address, const Call& call) {
    std::optional<Diagnostic> problem = contained_call(plugin, entry_point, address, options_.watch, call);
    if (!problem) return;
    const std::lock_guard<std::mutex> lock(mutex_);
    result_.diagnostics.add(std::move(*problem));
  }

  void in_parallel(const std::vector<std::size_t>& nodes, std::string_view verb,
                   const std::function<void(std::size_t)>& body) {
    std::size_t done = 0;
    for_each_in_parallel(nodes.size(), options_.parallelism, [&](std::size_t i) {
      if (!Interrupt::requested()) body(nodes[i]);
      if (!options_.progress) return;
      const std::lock_guard<std::mutex> lock(mutex_);
      ++done;
      options_.progress(fmt::format("{} {} of {}", verb, done, nodes.size()));
    });
  }

  static std::vector<std::vector<std::size_t>> levels(const ResourceGraph& graph) {
    std::vector<std::size_t> level(graph.resources().size(), 0);
    std::vector<std::vector<std::size_t>> out;
    for (const std::size_t i : graph.order()) {
      const Resource& resource = graph.resources()[i];
      for (const Address& container : resource.lives_in) {
        level[i] = std::max(level[i], level[*graph.find(container)] + 1);
      }
      if (out.size() <= level[i]) out.resize(level[i] + 1);
      out[level[i]].push_back(i);
    }
    return out;
  }

  Observation observe(const StepKinds::Entry& plugin, const Resource& resource, const Prior& prior) {
    Observation observed;
    contain(plugin, "observe", resource.address, [&] { observed = plugin.kind->observe(resource, prior, host_); });
    check_observation(plugin, resource.address, observed, result_mutex_guarded());
    return observed;
  }

  // The first of a resource's containers that gets `action`; a null pointer if none does.
  const Change* container_with(const ResourceGraph& graph, const Resource& resource, Action action) const {
    for (const Address& container : resource.lives_in) {
      const Change& change = changes_[*graph.find(container)];
      if (change.action == action) return &change;
    }
    return nullptr;
  }

  Change change_declared(const ResourceGraph& graph, const Resource& resource) {
    const StepKinds::Entry& plugin = plugin_of(resource.address);
    const Prior prior = owned_.prior(resource.address);
    const Change* created = container_with(graph, resource, Action::create);
    const Change* replaced = container_with(graph, resource, Action::replace);

    Observation observed;
    if (created == nullptr) observed = observe(plugin, resource, prior);
    const Observation nothing;
    Change change;
    contain(plugin, "compare", resource.address, [&] {
      change = plugin.kind->compare(resource, replaced != nullptr ? nothing : observed, prior);
    });
    change.address = resource.address;
    change.resource = resource;
    if (replaced != nullptr && observed.exists) {
      change.action = Action::replace;
      change.before = observed;
      change.has_withdraw = true;
      change.reasons = {fmt::format("{}, in which it lives, is replaced", replaced->address.to_string())};
    }
    if (observed.exists && change.action != Action::replace && is_to_be_replaced(resource.address)) {
      change.action = Action::replace;
      change.has_withdraw = true;
      change.has_apply = true;
      change.reasons.emplace_back("--replace asks for it");
    }
    check_change(plugin, change, result_mutex_guarded());
    return change;
  }

  Change change_removed(const Resource& resource) {
    const StepKinds::Entry& plugin = plugin_of(resource.address);
    Change change;
    change.address = resource.address;
    change.action = Action::remove;
    change.resource = resource;
    change.before = observe(plugin, resource, owned_.prior(resource.address));
    change.has_withdraw = true;
    change.sensitive = sensitive_attributes(plugin.kind->schema());
    change.reasons.push_back("gpuplan made it, and it is declared no more");
    if (!change.before.exists) change.notes.push_back("it is not there any more; what is left of it is cleaned up");
    for (const auto& [name, value] : change.before.attributes) {
      change.attributes.push_back({name, value, Value{}, true, is_sensitive(plugin.kind->schema(), name), false});
    }
    return change;
  }

  // Diagnostics that worker threads may add to: merged under the lock when it goes.
  class Guarded {
   public:
    explicit Guarded(Planning& planning) : planning_(planning) {}
    ~Guarded() {
      if (own_.items().empty()) return;
      const std::lock_guard<std::mutex> lock(planning_.mutex_);
      for (const Diagnostic& item : own_.items()) planning_.result_.diagnostics.add(item);
    }
    Guarded(const Guarded&) = delete;
    Guarded& operator=(const Guarded&) = delete;
    operator Diagnostics&() { return own_; }

   private:
    Planning& planning_;
    Diagnostics own_;
  };
  Guarded result_mutex_guarded() { return Guarded(*this); }

  const StepKinds& kinds_;
  const OwnedIndex owned_;
  std::size_t declared_ = 0;  // how many resources of the graph the spec declares
  HostReader& host_;
  const PlannerOptions& options_;
  std::mutex mutex_;
  std::vector<Change> changes_;
  PlanningResult result_;
  bool checks_failed_ = false;
};

// Owned resources whose step kind is not loaded cannot be planned for; saying so beats forgetting them.
void require_kinds(const std::vector<OwnedResource>& owned, const StepKinds& kinds, Diagnostics& diagnostics) {
  for (const OwnedResource& resource : owned) {
    const Address& address = resource.resource.address;
    if (kinds.find(address.kind()) != nullptr) continue;
    diagnostics.add({Severity::error, fmt::format("gpuplan made this, but no plugin for `{}` is loaded", address.kind()),
                     "without it the resource can be neither observed nor removed",
                     "install the plugin again, or give its directory with --plugin-path", address.to_string(), std::nullopt});
  }
}

}  // namespace

PlanningResult plan_apply(const Spec& spec, const StepKinds& kinds, const std::vector<OwnedResource>& owned,
                          HostReader& host, const PlannerOptions& options) {
  Planning planning(kinds, owned, host, options);
  require_kinds(owned, kinds, planning.result().diagnostics);
  std::vector<Resource> declared = planning.expand(spec);
  Plan plan;
  plan.purpose = PlanPurpose::apply;
  plan.cluster = spec.cluster;
  plan.spec_name = spec.file ? spec.file->name : "";
  plan.spec_sha256 = spec.sha256;
  return planning.plan(std::move(declared), &spec, std::move(plan));
}

PlanningResult plan_destroy(const std::string& cluster, const StepKinds& kinds,
                            const std::vector<OwnedResource>& owned, HostReader& host,
                            const PlannerOptions& options) {
  Planning planning(kinds, owned, host, options);
  require_kinds(owned, kinds, planning.result().diagnostics);
  Plan plan;
  plan.purpose = PlanPurpose::destroy;
  plan.cluster = cluster;
  return planning.plan({}, nullptr, std::move(plan));
}

PlanningResult check_host(const Spec& spec, const StepKinds& kinds, const std::vector<OwnedResource>& owned,
                          HostReader& host, const PlannerOptions& options) {
  Planning planning(kinds, owned, host, options);
  const ResourceGraph graph = planning.graph_of_declared(planning.expand(spec));
  if (planning.may_go_on()) planning.run_checks(graph, spec);
  return std::move(planning.result());
}

}  // namespace gpuplan
