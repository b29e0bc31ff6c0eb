// Guests on one simulated network, for the tests of their programs.
#pragma once

#include <map>
#include <sstream>
#include <string>

#include "host/sim/guest.h"

namespace gpuplan::test {

struct SimGuest {
  std::string address;
  std::size_t gpus = 0;
  bool running = true;
  sim::GuestDisk disk;
  bool cuda = true;
};

// A control plane "cp" at 10.0.0.10 and two workers "w1" and "w2" at .21 and .22.
class World : public sim::GuestWorld {
 public:
  World() {
    guests["cp"].address = "10.0.0.10";
    guests["w1"] = {"10.0.0.21", 4, true, {}, true};
    guests["w2"] = {"10.0.0.22", 2, true, {}, true};
    for (auto& [name, guest] : guests) guest.disk.state = {{"kubeadm_version", "v1.34.2"}, {"helm_version", "v4.2.2"}};
  }
  std::map<std::string, SimGuest> guests;
  std::int64_t time = 1'800'000'000;

  // `line` is split at blanks.
  CommandResult run(const std::string& on, const std::string& line, bool read_only = false) {
    return feed(on, line, {}, read_only);
  }
  // The same with something on standard input.
  CommandResult feed(const std::string& on, const std::string& line, const std::string& input, bool read_only = false) {
    current_ = on;
    Command command;
    command.standard_input = input;
    std::istringstream words(line);
    for (std::string word; words >> word;) command.argv.push_back(word);
    return sim::run_guest_program(guests.at(on).disk, *this, command, read_only);
  }
  CommandResult ask(const std::string& on, const std::string& line) { return run(on, line, true); }
  void put(const std::string& on, const std::string& path, const std::string& content) {
    guests.at(on).disk.files[path] = {content, 0600};
  }
  Json& cluster() { return guests.at("cp").disk.state["cluster"]; }

  std::int64_t now() override { return time; }
  std::string node() override { return current_; }
  std::string address() override { return guests.at(current_).address; }
  std::size_t gpus_of(const std::string& node) override { return runs(node) ? guests.at(node).gpus : 0; }
  bool has_cuda(const std::string& node) override { return gpus_of(node) > 0 && guests.at(node).cuda; }
  bool runs(const std::string& node) override { return guests.count(node) > 0 && guests.at(node).running; }
  sim::GuestDisk* disk_of_node(const std::string& node) override {
    return runs(node) ? &guests.at(node).disk : nullptr;
  }
  sim::GuestDisk* disk_at(const std::string& address) override {
    for (auto& [name, guest] : guests) {
      if (guest.address == address && guest.running) return &guest.disk;
    }
    return nullptr;
  }

 private:
  std::string current_ = "cp";
};

inline const std::string kubectl = "kubectl --kubeconfig /etc/kubernetes/admin.conf ";
inline const std::string helm_flags = " --kubeconfig /etc/kubernetes/admin.conf --namespace gpu-operator";
inline const std::string calico =
    "https://raw.githubusercontent.com/projectcalico/calico/v3.32.0/manifests/calico.yaml";

// A control plane with a pod network that has settled.
void make_cluster(World& world);
// The JoinConfiguration for a fresh token, as the worker's /root/join.yaml.
Json join_configuration(World& world);
void join(World& world, const std::string& worker);

}  // namespace gpuplan::test
