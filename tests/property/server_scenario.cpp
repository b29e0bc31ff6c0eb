#include "property/server_scenario.h"

#include <fmt/format.h>

#include <set>

namespace property {
namespace {

constexpr std::size_t gpu_count = 4;
const std::vector<std::string> gpu_addresses = {"0000:01:00.0", "0000:41:00.0", "0000:81:00.0", "0000:c1:00.0"};

class Generator {
 public:
  explicit Generator(std::uint64_t seed) : random_(seed) {}

  ServerScenario scenario(std::uint64_t seed) {
    ServerScenario out;
    out.seed = seed;
    SpecCase spec;
    for (std::size_t i = random_.between(1, 3); i > 0; --i) add_worker(spec);
    spec.gpu_operator = random_.chance(70);
    spec.machine = random_.chance(30);
    const std::size_t attempts = random_.between(2, 3);
    for (std::size_t i = 0; i < attempts; ++i) {
      if (i > 0) {
        for (std::size_t edits = random_.between(1, 2); edits > 0; --edits) edit(spec);
      }
      out.attempts.push_back({spec, random_.chance(50) ? static_cast<std::int64_t>(random_.between(1, 60)) : 0});
    }
    return out;
  }

 private:
  std::vector<std::size_t> free_gpus(const SpecCase& spec) const {
    std::set<std::size_t> left;
    for (std::size_t gpu = 0; gpu < gpu_count; ++gpu) left.insert(gpu);
    for (const auto& [number, worker] : spec.workers) {
      for (const std::size_t gpu : worker.gpus) left.erase(gpu);
    }
    return {left.begin(), left.end()};
  }

  WorkerCase& any_worker(SpecCase& spec) {
    auto worker = spec.workers.begin();
    std::advance(worker, static_cast<std::ptrdiff_t>(random_.below(spec.workers.size())));
    return worker->second;
  }

  void add_worker(SpecCase& spec) {
    WorkerCase worker;
    for (const std::size_t gpu : free_gpus(spec)) {
      if (random_.chance(40)) worker.gpus.push_back(gpu);
    }
    worker.memory = random_.chance(50) ? 16384 : 32768;
    if (random_.chance(30)) worker.label = "training";
    worker.taint = random_.chance(30);
    spec.workers.emplace(static_cast<int>(random_.between(1, 4)), worker);
  }

  void edit(SpecCase& spec) {
    WorkerCase& worker = any_worker(spec);
    WorkerCase& other = any_worker(spec);
    switch (random_.below(12)) {
      case 0: add_worker(spec); break;
      case 1:
        if (spec.workers.size() > 1) spec.workers.erase(spec.workers.begin());
        break;
      case 2: std::swap(worker.gpus, other.gpus); break;
      case 3:
        if (!worker.gpus.empty() && &worker != &other) {
          other.gpus.push_back(worker.gpus.back());
          worker.gpus.pop_back();
        }
        break;
      case 4: worker.memory = worker.memory == 16384 ? 32768 : 16384; break;
      case 5: worker.disk += 50; break;
      case 9: worker.label = worker.label == "training" ? "" : worker.label.empty() ? "inference" : "training"; break;
      case 11: spec.machine = !spec.machine; break;
      case 10: worker.taint = !worker.taint; break;
      case 6: worker.hugepages = worker.hugepages == "none" ? "2M" : "none"; break;
      case 7: spec.cidr = spec.cidr == "192.168.130.0/24" ? "192.168.140.0/24" : "192.168.130.0/24"; break;
      default: spec.control_plane_memory = spec.control_plane_memory == 8192 ? 12288 : 8192;
    }
  }

  Random random_;
};

}  // namespace

std::string SpecCase::text() const {
  std::string out = "host: {stop_services: [nvidia-persistenced.service]}\ngpus:\n";
  for (const std::string& address : gpu_addresses) out += fmt::format("  - pci_address: \"{}\"\n", address);
  out += "worker_gpu_assignment:\n";
  for (const auto& [number, worker] : workers) {
    out += fmt::format("  worker-{}: [{}]\n", number, fmt::join(worker.gpus, ", "));
  }
  out += fmt::format("vm_resources:\n  control_plane: {{memory: {}, cpus: 4, disk: 50}}\n", control_plane_memory);
  out += "  workers:\n";
  for (const auto& [number, worker] : workers) {
    out += fmt::format("    worker-{}: {{memory: {}, cpus: 8, disk: {}, hugepages: {}}}\n", number, worker.memory,
                       worker.disk, worker.hugepages);
  }
  out += "nodes:\n";
  for (const auto& [number, worker] : workers) {
    const std::string labels = worker.label.empty() ? "" : "tier: " + worker.label;
    out += fmt::format("  worker-{}: {{labels: {{{}}}, taints: [{}]}}\n", number, labels,
                       worker.taint ? "{key: nvidia.com/gpu, effect: NoSchedule}" : "");
  }
  if (machine) out += fmt::format("  worker-9: {{ssh: root@10.0.0.6, identity: /root/.ssh/id, host_key: {}}}\n", machine_key);
  return out + fmt::format("network: {{cidr: {}}}\ngpu_operator: {{enabled: {}}}\n", cidr, gpu_operator);
}

ServerScenario random_server_scenario(std::uint64_t seed) { return Generator(seed).scenario(seed); }

std::vector<ServerScenario> simpler_server_scenarios(const ServerScenario& scenario) {
  std::vector<ServerScenario> out;
  const auto candidate = [&](const auto& change) {
    ServerScenario simpler = scenario;
    change(simpler);
    if (describe(simpler) != describe(scenario)) out.push_back(std::move(simpler));
  };
  const auto each_spec = [](ServerScenario& it, const auto& change) {
    for (ServerAttempt& attempt : it.attempts) change(attempt.spec);
  };
  for (std::size_t i = 0; i < scenario.attempts.size(); ++i) {
    candidate([i](ServerScenario& it) { it.attempts.erase(it.attempts.begin() + static_cast<std::ptrdiff_t>(i)); });
    candidate([i](ServerScenario& it) { it.attempts[i].fault_at_call = 0; });
  }
  for (int number = 1; number <= 4; ++number) {
    candidate([&](ServerScenario& it) {
      each_spec(it, [&](SpecCase& spec) {
        if (spec.workers.size() > 1) spec.workers.erase(number);
      });
    });
    candidate([&](ServerScenario& it) {
      each_spec(it, [&](SpecCase& spec) {
        if (spec.workers.count(number) > 0) spec.workers[number].gpus.clear();
      });
    });
    candidate([&](ServerScenario& it) {
      each_spec(it, [&](SpecCase& spec) {
        const auto worker = spec.workers.find(number);
        if (worker == spec.workers.end()) return;
        const std::vector<std::size_t> gpus = worker->second.gpus;
        worker->second = {};
        worker->second.gpus = gpus;
      });
    });
  }
  candidate([&](ServerScenario& it) { each_spec(it, [](SpecCase& spec) { spec.gpu_operator = false; }); });
  candidate([&](ServerScenario& it) { each_spec(it, [](SpecCase& spec) { spec.machine = false; }); });
  candidate([&](ServerScenario& it) { each_spec(it, [](SpecCase& spec) { spec.cidr = SpecCase{}.cidr; }); });
  candidate([&](ServerScenario& it) { each_spec(it, [](SpecCase& spec) { spec.control_plane_memory = 8192; }); });
  return out;
}

std::string describe(const ServerScenario& scenario) {
  std::string out = fmt::format("seed {}\n", scenario.seed);
  for (const ServerAttempt& attempt : scenario.attempts) {
    out += "--- apply";
    if (attempt.fault_at_call > 0) out += fmt::format(" with --fault call:{}:fail", attempt.fault_at_call);
    out += ":\n" + attempt.spec.text();
  }
  return out;
}

}  // namespace property
