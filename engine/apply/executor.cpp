#include "apply/executor.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <map>
#include <mutex>
#include <set>

#include "apply/stage_context.h"
#include "apply/stage_failure.h"
#include "apply/task_graph.h"
#include "plan/contained_call.h"
#include "plan/describe_move.h"
#include "plan/schema_check.h"

namespace gpuplan {
namespace {

ResourceState success_state(Action action) {
  switch (action) {
    case Action::create: return ResourceState::created;
    case Action::update: return ResourceState::updated;
    case Action::replace: return ResourceState::replaced;
    case Action::remove: return ResourceState::removed;
    case Action::none: break;
  }
  return ResourceState::unchanged;
}

// How far one change of the plan has got.
struct ChangeProgress {
  std::size_t stages = 0;      // in the plan
  std::size_t done = 0;
  bool begun = false;
  bool stopped = false;        // by an interrupt, in the middle of a stage
  Json captured;
  ResourceOutcome outcome;
};

// One execution of one plan. Stages run on several threads; everything they share stands under mutex_.
class Execution {
 public:
  Execution(const Plan& plan, const Spec& spec, const StepKinds& kinds, GuardedHost& host, Journal& journal,
            RunEvents& events, const ExecutorOptions& options)
      : plan_(plan), spec_(spec), kinds_(kinds), host_(host), journal_(journal), events_(events),
        node_logs_(options.node_log_directory), progress_(plan.changes.size()) {
    for (std::size_t i = 0; i < plan_.changes.size(); ++i) {
      const Change& change = plan_.changes[i];
      progress_[i].outcome.address = change.address;
      if (change.action == Action::remove || change.action == Action::replace) withdrawn_.insert(change.address);
      if (change.action == Action::create || change.action == Action::replace) made_new_.insert(change.address);
    }
    for (const PlannedStage& stage : plan_.stages) ++progress_[stage.change].stages;
    for (const OwnedResource& owned : journal_.owned()) owned_.emplace(owned.resource.address, owned);
  }

  RunOutcome run(const RunRecord& record, const ExecutorOptions& options) {
    watch_ = options.watch;
    host_.on_call(CallWatch::sign_of_life);
    run_ = journal_.begin_run(record, plan_);
    events_.run_started(run_, plan_.stages.size());
    std::vector<Task> tasks;
    for (const PlannedStage& stage : plan_.stages) tasks.push_back({stage.after, phase_of(stage)});
    const std::vector<TaskEnd> ends = run_tasks(tasks, options.parallelism, [] { return !Interrupt::requested(); },
                                                [this](std::size_t stage) { return run_stage(stage); });
    return finish(std::count(ends.begin(), ends.end(), TaskEnd::held) > 0);
  }

 private:
  TaskEnd run_stage(std::size_t index) {
    const PlannedStage& stage = plan_.stages[index];
    const Change& change = plan_.changes[stage.change];
    const StepKinds::Entry& plugin = *kinds_.find_entry(change.address.kind());
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      events_.stage_started(change, stage.stage, false);
    }
    const auto started = std::chrono::steady_clock::now();
    try {
      begin(index, plugin);
      perform(stage, change, plugin);
    } catch (const Interrupted&) {
      const std::lock_guard<std::mutex> lock(mutex_);
      progress_[stage.change].stopped = true;
      events_.stage_interrupted(change, stage.stage, false);
      return TaskEnd::interrupted;
    } catch (const JournalError&) {
      throw;
    } catch (...) {
      fail(index, describe_failure(std::current_exception()));
      return TaskEnd::failed;
    }
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - started;
    succeed(index, took.count());
    return change.needs_reboot ? TaskEnd::held : TaskEnd::done;
  }

  void call(const StepKinds::Entry& plugin, std::string_view entry_point, const Address& address,
            const std::function<void()>& body) const {
    plugin_call(plugin, entry_point, address, watch_, [&] {
      body();
      host_.plugin_call_ends(entry_point, address.to_string());
    });
  }

  // Before the first stage of a change: look again, then save what undo will need.
  void begin(std::size_t index, const StepKinds::Entry& plugin) {
    const PlannedStage& stage = plan_.stages[index];
    const Change& change = plan_.changes[stage.change];
    ChangeProgress& progress = progress_[stage.change];
    if (progress.begun) {
      if (stage.commit_phase) journal_.commit_stage_begins(run_, index);
      else journal_.stage_begins(run_, index);
      return;
    }
    refuse_if_moved(change, plugin);
    Json captured;
    call(plugin, "capture", change.address, [&] { captured = plugin.kind->capture(change, host_.reader()); });
    journal_.change_begins(run_, stage.change, captured, index, stage.commit_phase);
    const std::lock_guard<std::mutex> lock(mutex_);
    progress.captured = std::move(captured);
    progress.begun = true;
  }

  void refuse_if_moved(const Change& change, const StepKinds::Entry& plugin) const {
    const Resource& resource = change.resource;
    // What lived in something that this run made anew is gone by design.
    for (const Address& container : resource.lives_in) {
      if (made_new_.count(container) > 0 || withdrawn_.count(container) > 0) return;
    }
    const Observation now = observe(plugin, resource, prior(change.address));
    const std::string moved = describe_move(plugin.kind->schema(), change.before, now);
    if (moved.empty() || has_become_as_declared(change, now, plugin)) return;
    throw HostError(HostError::Kind::refused, change.address.to_string(),
                    fmt::format("the host has changed since this was planned: {}; this step was not begun: run the same "
                                "command again to plan anew", moved));
  }

  // By itself, as a node does that was still starting: the one stage, which may be repeated at any time, has nothing left
  // to do.
  bool has_become_as_declared(const Change& change, const Observation& now, const StepKinds::Entry& plugin) const {
    if (change.action != Action::update || change.has_withdraw || change.has_commit) return false;
    Change left;
    call(plugin, "compare", change.address,
         [&] { left = plugin.kind->compare(change.resource, now, prior(change.address)); });
    return left.action == Action::none;
  }

  Observation observe(const StepKinds::Entry& plugin, const Resource& resource, const Prior& prior) const {
    Observation now;
    call(plugin, "observe", resource.address, [&] { now = plugin.kind->observe(resource, prior, host_.reader()); });
    require_sound(plugin, resource.address, now);
    return now;
  }

  Prior prior(const Address& address) const {
    const auto found = owned_.find(address);
    return found == owned_.end() ? Prior() : prior_of(found->second);
  }

  Json origin(const Address& address) const {
    const auto found = owned_.find(address);
    return found == owned_.end() ? Json() : found->second.origin;
  }

  void perform(const PlannedStage& stage, const Change& change, const StepKinds::Entry& plugin) {
    const std::string address = change.address.to_string();
    const std::unique_ptr<Host> host = host_.for_resource(address);
    StageContext context(spec_, host_.reader().clock(), withdrawn_, node_logs_, [&](const std::string& text) {
      const std::lock_guard<std::mutex> lock(mutex_);
      events_.stage_progress(change, stage.stage, text);
    });
    const Json& captured = progress_[stage.change].captured;
    call(plugin, to_string(stage.stage), change.address, [&] {
      switch (stage.stage) {
        case Stage::withdraw: plugin.kind->withdraw(change, captured, origin(change.address), *host, context); break;
        case Stage::apply: plugin.kind->apply(change, captured, *host, context); break;
        case Stage::commit: plugin.kind->commit(change, captured, origin(change.address), *host, context); break;
      }
    });
    host_.stage_ends(address);
    if (stage.stage == Stage::apply) require_converged(change, plugin);
  }

  // A step is done when the host says so, not when the step returns.
  void require_converged(const Change& change, const StepKinds::Entry& plugin) const {
    const Prior prior{true, change.resource.declared};
    const Observation now = observe(plugin, change.resource, prior);
    Change left;
    call(plugin, "compare", change.address, [&] { left = plugin.kind->compare(change.resource, now, prior); });
    if (left.action == Action::none) return;
    std::string what = now.exists ? "" : "it does not exist";
    for (const AttributeChange& attribute : left.attributes) {
      if (!now.exists || !attribute.known) continue;
      if (!what.empty()) what += ", ";
      what += attribute.sensitive ? fmt::format("`{}` differs", attribute.name)
                                  : fmt::format("`{}` is {} instead of {}", attribute.name, to_text(attribute.before),
                                                to_text(attribute.after));
    }
    throw HostError(HostError::Kind::failed, change.address.to_string(),
                    fmt::format("the step ended without an error, but afterwards {}; if it stays so when the command is run "
                                "again, {}",
                                what.empty() ? "the host is not as declared" : "the host is not as declared: " + what,
                                author_remedy(plugin)));
  }

  void succeed(std::size_t index, double seconds) {
    const PlannedStage& stage = plan_.stages[index];
    const Change& change = plan_.changes[stage.change];
    ChangeProgress& progress = progress_[stage.change];
    const bool complete = progress.done + 1 == progress.stages;  // stages of one change never run side by side
    if (complete) journal_.change_done(run_, stage.change, success_state(change.action), index);
    else journal_.stage_ends(run_, index, StageStatus::done);
    const std::lock_guard<std::mutex> lock(mutex_);
    ++progress.done;
    events_.stage_finished(change, stage.stage, false, seconds);
    if (complete) end_resource(stage.change, success_state(change.action));
  }

  void fail(std::size_t index, const StageFailure& failure) {
    const PlannedStage& stage = plan_.stages[index];
    const Change& change = plan_.changes[stage.change];
    if (progress_[stage.change].begun) journal_.stage_ends(run_, index, StageStatus::failed);
    journal_.change_ends(run_, stage.change, ResourceState::failed, failure.error);
    const std::lock_guard<std::mutex> lock(mutex_);
    progress_[stage.change].outcome.error = failure.error;
    progress_[stage.change].outcome.output_tail = failure.output_tail;
    events_.stage_failed(change, stage.stage, false, failure.error, failure.output_tail);
    end_resource(stage.change, ResourceState::failed);
  }

  void end_resource(std::size_t change, ResourceState state) {
    progress_[change].outcome.state = state;
    events_.resource_ended(plan_.changes[change], state);
  }

  // A removal without stages goes with what it lives in; everything else had nothing to do. `withdrawn`: how what is
  // withdrawn ended.
  static ResourceState state_without_stages(const Change& change, const std::map<Address, ResourceState>& withdrawn) {
    if (change.action != Action::remove) return ResourceState::unchanged;
    for (const Address& container : change.resource.lives_in) {
      const auto found = withdrawn.find(container);
      if (found == withdrawn.end()) continue;
      if (found->second != ResourceState::removed && found->second != ResourceState::replaced) return ResourceState::skipped;
    }
    return ResourceState::removed;
  }

  // Of a change that no stage has brought to an end.
  ResourceState end_of(std::size_t index, const std::map<Address, ResourceState>& withdrawn) const {
    const ChangeProgress& progress = progress_[index];
    if (progress.stages == 0) return state_without_stages(plan_.changes[index], withdrawn);
    return progress.begun || progress.stopped ? ResourceState::interrupted : ResourceState::skipped;
  }

  // What no stage has brought to an end: whatever has none, was stopped, or was never begun.
  void end_the_rest() {
    std::map<std::size_t, ResourceState> ends;
    std::map<Address, ResourceState> withdrawn;
    for (std::size_t i = 0; i < progress_.size(); ++i) {  // containers come before what lives in them
      ResourceOutcome& outcome = progress_[i].outcome;
      if (outcome.state == ResourceState::pending) {
        outcome.state = end_of(i, withdrawn);
        ends.emplace(i, outcome.state);
      }
      if (withdrawn_.count(outcome.address) > 0) withdrawn.emplace(outcome.address, outcome.state);
    }
    journal_.changes_end(run_, ends);
    for (const auto& [change, state] : ends) end_resource(change, state);
  }

  RunOutcome finish(bool needs_reboot) {
    end_the_rest();
    RunOutcome outcome;
    outcome.run = run_;
    for (const ChangeProgress& progress : progress_) {
      if (progress.outcome.state == ResourceState::failed) outcome.status = RunStatus::failed;
      outcome.resources.push_back(progress.outcome);
    }
    const bool all_ended = std::all_of(outcome.resources.begin(), outcome.resources.end(), [](const ResourceOutcome& item) {
      return item.state != ResourceState::skipped && item.state != ResourceState::interrupted;
    });
    if (outcome.status != RunStatus::failed) {
      if (needs_reboot && !Interrupt::requested()) outcome.status = RunStatus::reboot_required;
      else if (!all_ended) outcome.status = RunStatus::interrupted;
    }
    journal_.run_ends(run_, outcome.status);
    const auto record = journal_.run(run_);
    outcome.commit_begun = record && record->commit_begun;
    return outcome;
  }

  const Plan& plan_;
  const Spec& spec_;
  const StepKinds& kinds_;
  GuardedHost& host_;
  Journal& journal_;
  RunEvents& events_;
  NodeLogs node_logs_;
  CallWatch* watch_ = nullptr;
  std::int64_t run_ = 0;
  std::mutex mutex_;
  std::vector<ChangeProgress> progress_;
  WithdrawnAddresses withdrawn_;
  std::set<Address> made_new_;
  std::map<Address, OwnedResource> owned_;
};

}  // namespace

RunOutcome execute(const Plan& plan, const Spec& spec, const RunRecord& run, const StepKinds& kinds,
                   GuardedHost& host, Journal& journal, RunEvents& events, const ExecutorOptions& options) {
  return Execution(plan, spec, kinds, host, journal, events, options).run(run, options);
}

}  // namespace gpuplan
