// The world around a real guest, as the simulated programs ask for it.
#pragma once

#include <ctime>
#include <map>
#include <string>

#include "host/sim/guest.h"

namespace gpuplan::standin {

// As Kubernetes' node-monitor-grace-period: a node that has been silent for so long is not Ready.
inline constexpr std::int64_t silent_after = 40;

std::string own_name();
std::string own_address();  // of the first interface that is not the loopback

// On a node whose disk is `disk`. A control plane knows of other nodes what their kubelets have reported to it, which
// stands in "heartbeats" of its state; nobody knows of other control planes.
class NodeWorld : public sim::GuestWorld {
 public:
  // `node`, `address`: of the node for which a program runs, `ago` seconds before now.
  NodeWorld(sim::GuestDisk& disk, std::string node, std::string address, std::int64_t ago = 0)
      : disk_(disk), node_(std::move(node)), address_(std::move(address)), ago_(ago) {}

  std::int64_t now() override { return std::time(nullptr) - ago_; }
  std::string node() override { return node_; }
  std::string address() override { return address_; }
  std::size_t gpus_of(const std::string&) override { return 0; }
  bool runs(const std::string& node) override {
    return node == own_name() || int_at(disk_.state, "/heartbeats/" + node + "/time") + silent_after > now();
  }
  sim::GuestDisk* disk_of_node(const std::string& node) override {
    if (node == own_name()) return &disk_;
    sim::GuestDisk& reported = reported_[node];
    reported.state["membership"]["ca_hash"] = string_at(disk_.state, "/heartbeats/" + node + "/ca_hash");
    return &reported;
  }
  sim::GuestDisk* disk_at(const std::string& address) override { return address == own_address() ? &disk_ : nullptr; }

 private:
  sim::GuestDisk& disk_;
  const std::string node_;
  const std::string address_;
  const std::int64_t ago_;
  std::map<std::string, sim::GuestDisk> reported_;
};

}  // namespace gpuplan::standin
