// The step kinds vfio-bind and iommu-check, loaded as the modules that ship.
#pragma once

#include <stdexcept>

#include "loader/load_plugins.h"
#include "plan/step_kinds.h"
#include "support/catch.h"
#include "support/host_error_of.h"
#include "support/memory_pci.h"

namespace gpuplan::test {

inline const StepKind& shipped_kind(const std::string& name) {
  static const StepKinds* kinds = [] {
    auto* loaded = new StepKinds;
    Diagnostics diagnostics;
    load_plugins({GPUPLAN_PLUGIN_DIR}, *loaded, diagnostics);
    return loaded;
  }();
  // No assertion: Catch's are not for several threads.
  const StepKind* kind = kinds->find(name);
  if (kind == nullptr) throw std::runtime_error("no module for " + name + " in " + GPUPLAN_PLUGIN_DIR);
  return *kind;
}

// The result of that name; fails the test if there is none.
inline CheckResult check_named(const std::vector<CheckResult>& results, const std::string& name) {
  for (const CheckResult& result : results) {
    if (result.name == name) return result;
  }
  std::string names;
  for (const CheckResult& result : results) names += " " + result.name;
  FAIL("no check " << name << " among" << names);
  return {};
}

// "fail in-use: GPU … | see what it is …"; without results that passed: "".
inline std::string problems(const std::vector<CheckResult>& results) {
  std::string text;
  for (const CheckResult& result : results) {
    if (result.status == CheckStatus::pass) continue;
    text += fmt::format("{}{} {}: {} | {}", text.empty() ? "" : "\n", result.status == CheckStatus::warn ? "warn" : "fail",
                        result.name, result.found, result.remedy);
  }
  return text;
}

// One GPU of a spec on its way through vfio-bind.
struct GpuRig {
  Host& host;
  Spec& spec;
  std::string address;
  Change change;
  Json captured;
  Json origin;
  bool owned = false;
  std::set<std::string> withdrawn;

  const StepKind& kind() const { return shipped_kind("vfio-bind"); }
  Resource resource() const {
    for (Resource& each : kind().expand(spec)) {
      if (each.address.name() == address) return std::move(each);
    }
    FAIL("no vfio-bind of " << address);
    return {};
  }
  Prior prior() const { return {owned, owned ? resource().declared : Attributes{}}; }
  std::vector<CheckResult> check() const { return kind().check(resource(), spec, prior(), host); }
  Observation observe() const { return kind().observe(resource(), prior(), host); }
  Change plan() const { return kind().compare(resource(), observe(), prior()); }

  // As the planner completes it.
  Change removal() const {
    struct Nothing : RemovalScope {
      bool is_withdrawn(const Address&) const override { return false; }
    };
    Change removed;
    removed.resource = resource();
    removed.address = removed.resource.address;
    removed.action = Action::remove;
    removed.before = observe();
    for (const auto& [name, value] : removed.before.attributes) {
      removed.attributes.push_back({name, value, Value{}, true, false, false});
    }
    kind().plan_removal(removed, Nothing());
    return removed;
  }

  void capture() {
    change = plan();
    captured = kind().capture(change, host);
    if (!owned) origin = captured;
    owned = true;
  }
  void apply_captured() {
    MemoryContext context(spec, host);
    context.withdrawn = withdrawn;
    kind().apply(change, captured, host, context);
  }
  void apply() {
    capture();
    apply_captured();
  }
  void undo(Stage stage = Stage::apply) {
    MemoryContext context(spec, host);
    context.withdrawn = withdrawn;
    kind().undo(stage, change, captured, host, context);
  }
  void withdraw() {
    MemoryContext context(spec, host);
    context.withdrawn = withdrawn;
    captured = kind().capture(change, host);
    kind().withdraw(change, captured, origin, host, context);
  }
};

inline void declare_gpu(Spec& spec, const std::string& address) { spec.gpus.push_back({*parse_bdf(address), {}, {}}); }

// A GPU of the one worker.
inline void declare_used_gpu(Spec& spec, const std::string& address) {
  spec.workers.resize(1);
  spec.workers[0].gpu_indexes.push_back(spec.gpus.size());
  declare_gpu(spec, address);
}

// The one GPU of BoundHost.
namespace one_gpu {

inline const std::string address = "0000:0a:00.0";
inline const std::string audio = "0000:0a:00.1";
inline const std::string device = "/sys/bus/pci/devices/0000:0a:00.0";
inline const std::string lock = "/proc/driver/nvidia/gpus/0000:0a:00.0/unbindLock";

// A host with one GPU that the spec declares.
struct BoundHost {
  MemoryHost host;
  MemoryPci bus{host};
  Spec spec;
  GpuRig gpu{host, spec, address, {}, {}, {}, false, {}};

  BoundHost() {
    bus.add({address});
    declare_used_gpu(spec, address);
  }
  void add_audio() { bus.add({audio, "0x10de", "0x22ba", "0x040300", "snd_hda_intel"}); }
  GpuRig second() {
    bus.add({"0000:18:00.0"});
    declare_used_gpu(spec, "0000:18:00.0");
    return {host, spec, "0000:18:00.0", {}, {}, {}, false, {}};
  }
  // nvidia-persistenced holds GPUs while it runs.
  void run_persistenced(const std::vector<std::string>& addresses) {
    spec.host.stop_services = {"nvidia-persistenced"};
    const auto start = [this, addresses] {
      for (const std::string& each : addresses) {
        if (bus.driver(each) == "nvidia") bus.hold(each, 812, "nvidia-persiste", "/system.slice/nvidia-persistenced.service");
      }
      host.commands["systemctl is-active nvidia-persistenced.service"] = {0, "active\n", ""};
    };
    for (const char* verb : {"stop", "start", "restart"}) {
      host.commands[std::string("systemctl ") + verb + " nvidia-persistenced.service"] = {};
    }
    start();
    host.on_run = [this, start](const std::string& argv) {
      bus.end_process(812);
      host.commands["systemctl is-active nvidia-persistenced.service"] = {3, "inactive\n", ""};
      if (argv.find(" stop ") == std::string::npos) start();
    };
  }
  bool is_held() const { return host.links.count("/proc/812/fd/3") > 0; }
};

}  // namespace one_gpu

}  // namespace gpuplan::test
