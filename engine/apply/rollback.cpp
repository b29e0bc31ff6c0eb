#include "apply/rollback.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <tuple>

#include "apply/stage_context.h"
#include "apply/stage_failure.h"
#include "apply/task_graph.h"
#include "plan/contained_call.h"
#include "plan/parallel.h"
#include "plan/schema_check.h"
#include "plugin/change_json.h"

namespace gpuplan {
namespace {

using ChangeKey = std::pair<std::int64_t, std::size_t>;  // run and change

// One rollback on several threads; what they share stands under mutex_.
class Undoing {
 public:
  Undoing(const RollbackPlan& plan, const Spec& spec, const StepKinds& kinds, GuardedHost& host, Journal& journal,
          RunEvents& events, const ExecutorOptions& options)
      : plan_(plan), spec_(spec), kinds_(kinds), host_(host), journal_(journal), events_(events),
        node_logs_(options.node_log_directory) {
    for (const ChangeRecord& change : plan_.changes) {
      changes_.emplace(ChangeKey{change.run, change.index}, &change);
      left_.emplace(ChangeKey{change.run, change.index}, 0);
      ++left_of_address_[change.change.address];
      if (change.change.action == Action::create) withdrawn_.insert(change.change.address);
    }
    for (const RollbackPlan::Step& step : plan_.steps) ++left_[{step.run, step.change}];
    for (const std::int64_t run : plan_.runs) {
      for (const StageRecord& stage : journal_.stages(run)) stage_kind_[{run, stage.index}] = stage.stage.stage;
    }
  }

  RollbackOutcome run(const RunRecord& record, const ExecutorOptions& options) {
    watch_ = options.watch;
    host_.on_call(CallWatch::sign_of_life);
    outcome_.run.run = journal_.begin_rollback(record);
    outcome_.oldest_run = plan_.runs.empty() ? 0 : plan_.runs.back();
    events_.run_started(outcome_.run.run, plan_.steps.size());
    undo_what_has_no_steps();
    std::vector<Task> tasks;
    for (const RollbackPlan::Step& step : plan_.steps) tasks.push_back({step.after, 0});
    const std::vector<TaskEnd> ends = run_tasks(tasks, options.parallelism, [] { return !Interrupt::requested(); },
                                                [this](std::size_t step) { return undo_step(step); });
    conclude(ends, options);
    return std::move(outcome_);
  }

 private:
  // Changes whose stages an earlier attempt has undone already; saying it again, newest run first, is harmless.
  void undo_what_has_no_steps() {
    for (auto entry = left_.rbegin(); entry != left_.rend(); ++entry) {
      if (entry->second == 0) end_change(entry->first);
    }
  }

  TaskEnd undo_step(std::size_t index) {
    const RollbackPlan::Step& step = plan_.steps[index];
    const ChangeKey key{step.run, step.change};
    const ChangeRecord& record = *changes_.at(key);
    const Change& change = record.change;
    const Stage stage = stage_kind_.at({step.run, step.stage});
    const StepKinds::Entry* plugin = kinds_.find_entry(change.address.kind());
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      events_.stage_started(change, stage, true);
    }
    const auto started = std::chrono::steady_clock::now();
    try {
      if (plugin == nullptr) {
        throw HostError(HostError::Kind::not_found, change.address.to_string(),
                        fmt::format("no plugin for `{}` is loaded, so it cannot be undone; give its directory with "
                                    "--plugin-path", change.address.kind()));
      }
      journal_.stage_ends(step.run, step.stage, StageStatus::undo_begun);
      perform(*plugin, stage, record);
      journal_.stage_ends(step.run, step.stage, StageStatus::undone);
    } catch (const Interrupted&) {
      const std::lock_guard<std::mutex> lock(mutex_);
      events_.stage_interrupted(change, stage, true);
      return TaskEnd::interrupted;
    } catch (const JournalError&) {
      throw;
    } catch (...) {
      fail(step, change, stage, describe_failure(std::current_exception()));
      return TaskEnd::failed;
    }
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - started;
    const std::lock_guard<std::mutex> lock(mutex_);
    events_.stage_finished(change, stage, true, took.count());
    if (--left_[key] == 0) end_change(key);
    return TaskEnd::done;
  }

  void call(const StepKinds::Entry& plugin, std::string_view entry_point, const Address& address,
            const std::function<void()>& body) const {
    plugin_call(plugin, entry_point, address, watch_, [&] {
      body();
      host_.plugin_call_ends(entry_point, address.to_string());
    });
  }

  void perform(const StepKinds::Entry& plugin, Stage stage, const ChangeRecord& record) {
    const std::string address = record.change.address.to_string();
    const std::unique_ptr<Host> host = host_.for_resource(address);
    StageContext context(spec_, host_.reader().clock(), withdrawn_, node_logs_, [&](const std::string& text) {
      const std::lock_guard<std::mutex> lock(mutex_);
      events_.stage_progress(record.change, stage, text);
    });
    call(plugin, "undo", record.change.address,
         [&] { plugin.kind->undo(stage, record.change, record.captured, *host, context); });
    host_.stage_ends(address);
  }

  // Called with mutex_ held, or before any thread runs.
  void end_change(const ChangeKey& key) {
    journal_.change_undone(key.first, key.second);
    const Change& change = changes_.at(key)->change;
    if (--left_of_address_[change.address] > 0) return;  // an older run touched it as well
    outcome_.run.resources.push_back({change.address, ResourceState::undone, {}, {}});
    events_.resource_ended(change, ResourceState::undone);
  }

  void fail(const RollbackPlan::Step& step, const Change& change, Stage stage, const StageFailure& failure) {
    journal_.stage_ends(step.run, step.stage, StageStatus::undo_failed);
    const std::lock_guard<std::mutex> lock(mutex_);
    events_.stage_failed(change, stage, true, failure.error, failure.output_tail);
    outcome_.run.resources.push_back({change.address, ResourceState::failed, failure.error, failure.output_tail});
    events_.resource_ended(change, ResourceState::failed);
  }

  void conclude(const std::vector<TaskEnd>& ends, const ExecutorOptions& options) {
    const auto ended = [&](TaskEnd end) { return std::find(ends.begin(), ends.end(), end) != ends.end(); };
    if (ended(TaskEnd::failed)) outcome_.run.status = RunStatus::failed;
    else if (ended(TaskEnd::not_started) || ended(TaskEnd::interrupted)) outcome_.run.status = RunStatus::interrupted;
    if (outcome_.run.status != RunStatus::interrupted) verify(options);
    if (outcome_.run.status == RunStatus::succeeded && outcome_.differences.empty()) {
      for (const std::int64_t run : plan_.runs) journal_.run_rolled_back(run);
    }
    report_rest();
    const bool restored = outcome_.run.status == RunStatus::succeeded && outcome_.differences.empty();
    journal_.run_ends(outcome_.run.run, restored || outcome_.run.status == RunStatus::interrupted ? outcome_.run.status
                                                                                                 : RunStatus::failed);
  }

  // Resources that were neither undone nor failed: what stood before them did not get done.
  void report_rest() {
    std::set<Address> ended;
    for (const ResourceOutcome& item : outcome_.run.resources) ended.insert(item.address);
    for (const ChangeRecord& record : plan_.changes) {
      if (!ended.insert(record.change.address).second) continue;
      const ResourceState state =
          outcome_.run.status == RunStatus::interrupted ? ResourceState::interrupted : ResourceState::skipped;
      outcome_.run.resources.push_back({record.change.address, state, {}, {}});
      events_.resource_ended(record.change, state);
    }
  }

  // Every resource that any of the runs touched, against what was observed before the oldest of them.
  void verify(const ExecutorOptions& options) {
    std::map<Address, const ChangeRecord*> oldest;  // plan_.changes holds the newest run first
    for (const ChangeRecord& record : plan_.changes) oldest[record.change.address] = &record;
    // A run that was interrupted before it came to a resource had looked at it all the same.
    std::vector<ChangeRecord> planned;
    for (const std::int64_t run : plan_.runs) {
      for (ChangeRecord& record : journal_.changes(run)) {
        if (oldest.count(record.change.address) > 0) planned.push_back(std::move(record));
      }
    }
    for (const ChangeRecord& record : planned) oldest[record.change.address] = &record;
    std::map<Address, Prior> priors;  // complete before the threads read it
    for (const OwnedResource& owned : journal_.owned()) {
      priors.emplace(owned.resource.address, Prior{true, owned.resource.declared});
    }
    std::vector<const ChangeRecord*> records;
    for (const auto& [address, record] : oldest) {
      records.push_back(record);
      priors.try_emplace(address);
    }
    for_each_in_parallel(records.size(), options.parallelism,
                         [&](std::size_t i) { compare(*records[i], priors.at(records[i]->change.address)); });
    std::sort(outcome_.differences.begin(), outcome_.differences.end(), [](const auto& a, const auto& b) {
      return std::tie(a.address, a.attribute) < std::tie(b.address, b.attribute);
    });
    outcome_.verified = records.size();
  }

  void compare(const ChangeRecord& record, const Prior& prior) {
    const Change& change = record.change;
    const StepKinds::Entry* plugin = kinds_.find_entry(change.address.kind());
    Observation now;
    std::vector<RollbackDifference> found;
    try {
      if (plugin == nullptr) throw HostError(HostError::Kind::not_found, "", "its plugin is not loaded");
      call(*plugin, "observe", change.address,
           [&] { now = plugin->kind->observe(change.resource, prior, host_.reader()); });
      require_sound(*plugin, change.address, now);
      found = differences(change, *plugin->kind, now);
    } catch (...) {
      found.push_back({change.address, "exists", change.before.exists ? "true" : "false",
                       "unknown: " + describe_failure(std::current_exception()).error});
    }
    const std::lock_guard<std::mutex> lock(mutex_);
    outcome_.differences.insert(outcome_.differences.end(), found.begin(), found.end());
  }

  // The journal has fingerprints in place of secrets.
  static bool same(const AttributeSchema& schema, const Value& then, const Value& now) {
    return schema.sensitive ? stored_secret(then) == stored_secret(now) : then == now;
  }

  static std::vector<RollbackDifference> differences(const Change& change, const StepKind& kind, const Observation& now) {
    std::vector<RollbackDifference> out;
    const Observation& before = change.before;
    if (before.exists != now.exists) {
      out.push_back({change.address, "exists", before.exists ? "true" : "false", now.exists ? "true" : "false"});
      return out;
    }
    for (const AttributeSchema& schema : kind.schema()) {
      const Value* then = before.attributes.find(schema.name);
      const Value* found = now.attributes.find(schema.name);
      if (then == nullptr && found == nullptr) continue;
      if (then != nullptr && found != nullptr && same(schema, *then, *found)) continue;
      if (schema.sensitive) {
        out.push_back({change.address, schema.name, "(sensitive)", "(sensitive)"});
        continue;
      }
      out.push_back({change.address, schema.name, then == nullptr ? "(none)" : to_text(*then),
                     found == nullptr ? "(none)" : to_text(*found)});
    }
    return out;
  }

  const RollbackPlan& plan_;
  const Spec& spec_;
  const StepKinds& kinds_;
  GuardedHost& host_;
  Journal& journal_;
  RunEvents& events_;
  NodeLogs node_logs_;
  CallWatch* watch_ = nullptr;
  std::mutex mutex_;
  std::map<ChangeKey, const ChangeRecord*> changes_;
  std::map<ChangeKey, std::size_t> left_;                 // stages to undo, per change
  std::map<Address, std::size_t> left_of_address_;        // changes to undo, per resource
  std::map<ChangeKey, Stage> stage_kind_;
  WithdrawnAddresses withdrawn_;
  RollbackOutcome outcome_;
};

}  // namespace

RollbackOutcome roll_back(const RollbackPlan& plan, const Spec& spec, const RunRecord& run, const StepKinds& kinds,
                          GuardedHost& host, Journal& journal, RunEvents& events, const ExecutorOptions& options) {
  return Undoing(plan, spec, kinds, host, journal, events, options).run(run, options);
}

}  // namespace gpuplan
