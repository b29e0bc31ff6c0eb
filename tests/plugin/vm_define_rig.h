// The step kind vm-define, loaded as the module that ships, on the fake host.
#pragma once

#include <memory>
#include <set>

#include "loader/load_plugins.h"
#include "plan/step_kinds.h"
#include "support/catch.h"
#include "vm_define_fake.h"

namespace vm_define_fake {

inline const StepKind& vm_define() {
  static const StepKind* kind = [] {
    static StepKinds kinds;
    Diagnostics diagnostics;
    load_plugins({GPUPLAN_PLUGIN_DIR}, kinds, diagnostics);
    return kinds.find("vm-define");
  }();
  REQUIRE(kind != nullptr);
  return *kind;
}

// The spec of the H100 server with two workers of four GPUs each.
inline Spec h100_spec() {
  Spec spec;
  for (const char* address :
       {"0a:00.0", "18:00.0", "3a:00.0", "43:00.0", "87:00.0", "90:00.0", "b9:00.0", "c2:00.0"}) {
    spec.gpus.push_back({parse_bdf(address).value(), {}, {}});
  }
  spec.control_plane = {"gpu-control-plane", "192.168.130.10", {}};
  spec.control_plane.resources.memory_mib = 16384;
  spec.control_plane.resources.cpus = 8;
  spec.control_plane.resources.disk_gib = 100;
  for (const int number : {1, 2}) {
    WorkerSpec worker;
    worker.key = fmt::format("worker-{}", number);
    worker.name = "gpu-" + worker.key;
    worker.address = fmt::format("192.168.130.{}", 20 + number);
    const std::size_t first = number == 1 ? 0 : 4;
    worker.gpu_indexes = {first, first + 1, first + 2, first + 3};
    worker.resources.memory_mib = 204800;
    worker.resources.cpus = 48;
    worker.resources.disk_gib = 500;
    spec.workers.push_back(worker);
  }
  return spec;
}

// One change on its way through its stages.
struct Step {
  Change change;
  Json captured;
};

class Rig {
 public:
  FakeHost host;
  Spec spec = h100_spec();
  std::map<std::string, Json> origins;         // of what gpuplan owns
  std::map<std::string, Attributes> declared;  // likewise, as last declared
  std::set<std::string> withdrawn_half;        // whose withdrawal was begun and interrupted
  std::set<std::string> commit_due;            // that an interrupted run applied and did not commit
  std::set<std::string> making_begun;          // that an interrupted run began to make

  Rig() {
    for (const GpuSpec& gpu : spec.gpus) {
      host.add_function(gpu.address.to_string(), "0x030200", 128, gpu.address.bus < 0x80 ? 0 : 1);
    }
    host.file_system.content["/proc/cpuinfo"] =
        "processor\t: 0\naddress sizes\t: 46 bits physical, 57 bits virtual\n";
    host.file_system.content["/sys/class/iommu/dmar0/intel-iommu/cap"] = "8d2078c106f0462\n";  // MGAW 47: 48 bits
    host.file_system.content["/sys/devices/system/node/node0/cpulist"] = "0-55,112-167\n";
    host.file_system.content["/sys/devices/system/node/node1/cpulist"] = "56-111,168-223\n";
  }

  Resource resource(const std::string& name) const {
    for (Resource& resource : vm_define().expand(spec)) {
      if (resource.address.name() == name) return std::move(resource);
    }
    FAIL("no resource " << name);
    return {};
  }
  Prior prior(const std::string& name) const {
    const auto found = declared.find(name);
    if (found == declared.end()) return {};
    const bool complete = making_begun.count(name) == 0;
    return {true, found->second, withdrawn_half.count(name) > 0, commit_due.count(name) > 0, complete, !complete};
  }
  Observation observe(const std::string& name) { return vm_define().observe(resource(name), prior(name), host); }

  Change plan(const std::string& name) {
    const Resource wanted = resource(name);
    Change change = vm_define().compare(wanted, observe(name), prior(name));
    if (change.action == Action::replace) vm_define().plan_removal(change, NothingElse());
    return change;
  }
  Change plan_removal(const std::string& name) {
    Change change;
    change.resource.address = Address("vm-define", name);
    change.resource.declared = declared.at(name);
    change.address = change.resource.address;
    change.action = Action::remove;
    change.before = vm_define().observe(change.resource, prior(name), host);
    change.has_withdraw = true;
    vm_define().plan_removal(change, NothingElse());
    return change;
  }

  Step begin(Change change) {
    Step step{std::move(change), {}};
    step.captured = vm_define().capture(step.change, host);
    const std::string name(step.change.address.name());
    if (step.change.action == Action::create) {
      origins.emplace(name, step.captured);
      declared[name] = step.change.resource.declared;
      making_begun.insert(name);
    }
    return step;
  }
  Json origin(const Step& step) const {
    const auto found = origins.find(std::string(step.change.address.name()));
    return found == origins.end() ? Json() : found->second;
  }
  void withdraw(const Step& step) { vm_define().withdraw(step.change, step.captured, origin(step), host, context); }
  void apply(const Step& step) {
    vm_define().apply(step.change, step.captured, host, context);
    declared[std::string(step.change.address.name())] = step.change.resource.declared;
    if (!step.change.has_commit) making_begun.erase(std::string(step.change.address.name()));
  }
  void commit(const Step& step) {
    vm_define().commit(step.change, step.captured, origin(step), host, context);
    making_begun.erase(std::string(step.change.address.name()));
    if (step.change.action != Action::remove) return;
    origins.erase(std::string(step.change.address.name()));
    declared.erase(std::string(step.change.address.name()));
  }
  void undo(const Step& step, Stage stage) { vm_define().undo(stage, step.change, step.captured, host, context); }

  // All stages but the commit, then, unless told otherwise, the commit.
  Step run(Change change, bool with_commit = true) {
    Step step = begin(std::move(change));
    if (step.change.has_withdraw) withdraw(step);
    if (step.change.has_apply) apply(step);
    if (step.change.has_commit && with_commit) commit(step);
    return step;
  }
  void undo_all(const Step& step) {
    if (step.change.has_apply) undo(step, Stage::apply);
    if (step.change.has_withdraw) undo(step, Stage::withdraw);
  }
  void create_all() {
    for (const char* name : {"gpu-control-plane", "gpu-worker-1", "gpu-worker-2"}) run(plan(name));
    host.calls.made.clear();
  }
  WorkerSpec& worker(std::size_t index) { return spec.workers.at(index); }
  std::vector<CheckResult> check(const std::string& name) {
    return vm_define().check(resource(name), spec, prior(name), host);
  }
  DomainDefinition domain(const std::string& name) {
    return parse_domain(host.fake_hypervisor.require_domain(name).xml).value();
  }

  FakeContext context{spec, host.virtual_clock};

 private:
  class NothingElse : public RemovalScope {
   public:
    bool is_withdrawn(const Address&) const override { return false; }
  };
};

// The texts of the results with that status: "NAME: FOUND; REMEDY".
inline std::vector<std::string> texts(const std::vector<CheckResult>& results, CheckStatus status) {
  std::vector<std::string> out;
  for (const CheckResult& result : results) {
    if (result.status == status) out.push_back(result.name + ": " + result.found + "; " + result.remedy);
  }
  return out;
}

}  // namespace vm_define_fake
