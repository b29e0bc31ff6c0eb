#include "property/toy_world.h"

#include "host/interrupt.h"
#include "plugin/change_json.h"

namespace property {

using namespace gpuplan;

namespace {

RunRecord record(const char* command) {
  RunRecord run;
  run.command = command;
  run.argv = std::string("gpuplan ") + command;
  run.host_identity = "toy";
  run.started = 1;
  return run;
}

std::string difference(const char* what, const std::map<std::string, std::string>& before,
                       const std::map<std::string, std::string>& now) {
  for (const auto& [name, text] : before) {
    const auto found = now.find(name);
    if (found == now.end()) return std::string(what) + " " + name + " was " + text + " and is gone";
    if (found->second != text) return std::string(what) + " " + name + " was " + text + " and is " + found->second;
  }
  for (const auto& [name, text] : now) {
    if (before.count(name) == 0) return std::string(what) + " " + name + " was not there and is " + text;
  }
  return {};
}

}  // namespace

std::string difference(const WorldState& before, const WorldState& now) {
  const std::string files = difference("file", before.files, now.files);
  return files.empty() ? difference("ownership of", before.owned, now.owned) : files;
}

ToyWorld::ToyWorld(std::size_t parallelism) : parallelism_(parallelism) {
  kinds_.add(kind_);
  reopen({});
}

void ToyWorld::reopen(Journal::WriteHook hook) {
  journal_.reset();
  journal_ = Journal::open(directory_ / "journal.db", "gpu", std::move(hook));
}

PlanningResult ToyWorld::plan() {
  PlannerOptions options;
  options.parallelism = parallelism_;
  return plan_apply(spec_, kinds_, journal_->owned(), host, options);
}

PlanningResult ToyWorld::plan_removal() {
  PlannerOptions options;
  options.parallelism = parallelism_;
  return plan_destroy("gpu", kinds_, journal_->owned(), host, options);
}

template <typename Outcome>
std::optional<Outcome> ToyWorld::with_mishap(const Mishap& mishap, const std::function<Outcome(GuardedHost&)>& run) {
  std::vector<Fault> faults = mishap.faults;
  if (mishap.journal_write > 0) {
    faults.emplace_back();
    faults.back().journal_write = mishap.journal_write;
  }
  GuardedHost guarded(host, std::move(faults));
  reopen([&](std::int64_t number) { guarded.before_journal_write(number); });
  std::optional<Outcome> outcome;
  try {
    outcome = run(guarded);
  } catch (const JournalError&) {
    outcome.reset();
  }
  Interrupt::request(0);
  reopen({});
  return outcome;
}

std::optional<RunOutcome> ToyWorld::carry_out(const Plan& plan, const Mishap& mishap, RecordedRun& run) {
  return with_mishap<RunOutcome>(mishap, [&](GuardedHost& guarded) {
    return execute(plan, spec_, record("apply"), kinds_, guarded, *journal_, run, {parallelism_});
  });
}

std::optional<RunOutcome> ToyWorld::carry_out(const Plan& plan, const Mishap& mishap) {
  RecordedRun run(mishap.interrupt_at);
  return carry_out(plan, mishap, run);
}

std::optional<RollbackOutcome> ToyWorld::roll_back(const RollbackPlan& plan, const Mishap& mishap) {
  RecordedRun run(mishap.interrupt_at);
  return with_mishap<RollbackOutcome>(mishap, [&](GuardedHost& guarded) {
    return gpuplan::roll_back(plan, spec_, record("rollback"), kinds_, guarded, *journal_, run, {parallelism_});
  });
}

RollbackPlan ToyWorld::plan_rollback(std::optional<std::int64_t> run) {
  return gpuplan::plan_rollback(*journal_, run, "toy");
}

void ToyWorld::put_foreign(const Declared& declared) {
  declare(declared);
  for (const Resource& resource : kind_->expand(spec_)) {
    host.file_system.content["/toy/" + std::string(resource.address.name())] = to_json(resource.declared).dump();
  }
}

void ToyWorld::drift(const Drift& drift) {
  auto& files = host.file_system.content;
  const auto file = files.find("/toy/" + drift.name);
  if (file == files.end()) return;
  if (!drift.gone) {
    Json attributes = parse_json(file->second, drift.name);
    attributes["color"] = "rust";
    file->second = attributes.dump();
    return;
  }
  files.erase(file);
  for (auto inner = files.begin(); inner != files.end();) {
    const std::string name = inner->first.substr(std::string("/toy/").size());
    const bool is_resource = !inner->second.empty() && inner->second.front() == '{';
    const bool lived_there = is_resource && parse_json(inner->second, name)["home"] == drift.name;
    ++inner;
    if (!lived_there) continue;
    this->drift({name, true});
    inner = files.begin();
  }
}

RunRecord ToyWorld::last_run() {
  const std::vector<RunRecord> runs = journal_->runs();
  return runs.empty() ? RunRecord{} : runs.back();
}

WorldState ToyWorld::state() {
  WorldState out{host.file_system.content, {}};
  for (const OwnedResource& owned : journal_->owned()) {
    out.owned[owned.resource.address.to_string()] =
        Json{{"resource", to_json(owned.resource)}, {"origin", owned.origin}, {"run", owned.first_run},
             {"complete", owned.complete}}
            .dump();
  }
  return out;
}

std::string ToyWorld::not_as_declared() {
  for (const Resource& resource : kind_->expand(spec_)) {
    const auto file = host.file_system.content.find("/toy/" + std::string(resource.address.name()));
    if (file == host.file_system.content.end()) return resource.address.to_string() + " is declared, and not there";
    if (file->second != to_json(resource.declared).dump()) {
      return resource.address.to_string() + " is not as declared: " + file->second;
    }
  }
  return {};
}

}  // namespace property
