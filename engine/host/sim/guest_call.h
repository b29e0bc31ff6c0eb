// One run of a program on a simulated guest.
#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include "host/sim/guest.h"

namespace gpuplan::sim {

inline constexpr const char* admin_kubeconfig = "/etc/kubernetes/admin.conf";

struct GuestCall {
  GuestDisk& disk;
  GuestWorld& world;
  const Command& command;
  bool read_only = false;

  // To be called before anything is changed: throws HostError::refused for a query.
  void changes() const;
  const std::vector<std::string>& argv() const { return command.argv; }
  std::string word(std::size_t i) const { return i < argv().size() ? argv()[i] : std::string(); }
};

CommandResult succeeds(std::string output);
CommandResult fails(int exit_status, std::string errors);

CommandResult run_kubeadm(GuestCall& call);
CommandResult run_kubectl(GuestCall& call);
CommandResult run_helm(GuestCall& call);
CommandResult run_bash(GuestCall& call);  // the scripts of scripts/guest
// `kubelet --version` and `kubectl version --client -o json`.
CommandResult run_kubernetes_version(const GuestCall& call, const std::string& program);
// False for a program that those scripts have yet to install.
bool has_program(const GuestDisk& disk, const std::string& program);

// What a program says that needs a cluster and cannot reach one through `kubeconfig`; nothing if it can.
std::optional<std::string> cluster_problem(const GuestCall& call, const std::string& kubeconfig);

// Whether a URL is one of a mirror: every simulated guest reaches those hosts whose names end as private ones do (".lan",
// ".internal", ".home.arpa"), and they have a copy of everything.
bool is_on_a_mirror(const std::string& url);

// Virtual seconds as the Kubernetes API prints them: "2026-01-31T12:00:00Z".
std::string api_time(std::int64_t seconds);

}  // namespace gpuplan::sim
