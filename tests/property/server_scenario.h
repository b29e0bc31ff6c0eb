// A history of the simulated server: specs applied one after another, and what went wrong.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "property/random_cases.h"

namespace property {

struct WorkerCase {
  std::vector<std::size_t> gpus;  // indexes into the server's four
  int memory = 16384;
  int disk = 100;
  std::string hugepages = "none";
  std::string label;  // the value of its label "tier"; empty: it has none
  bool taint = false;  // nvidia.com/gpu:NoSchedule
};

struct SpecCase {
  std::map<int, WorkerCase> workers;  // by number
  int control_plane_memory = 8192;
  std::string cidr = "192.168.130.0/24";
  bool gpu_operator = true;
  bool machine = false;  // the one beside the server is a worker, too
  std::string text() const;  // as YAML
};

// The host key of the machine beside the server, which is at 10.0.0.6.
inline constexpr const char* machine_key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

struct ServerAttempt {
  SpecCase spec;
  std::int64_t fault_at_call = 0;  // 0: nothing goes wrong
};

struct ServerScenario {
  std::uint64_t seed = 0;
  std::vector<ServerAttempt> attempts;  // the first on an untouched server
};

ServerScenario random_server_scenario(std::uint64_t seed);
std::vector<ServerScenario> simpler_server_scenarios(const ServerScenario& scenario);
std::string describe(const ServerScenario& scenario);

}  // namespace property
