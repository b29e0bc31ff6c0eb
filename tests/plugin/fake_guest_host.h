// A Host of guests only: each a disk on which the simulated programs run. For the step kinds that work
// inside guests.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "host/sim/guest.h"
#include "plugin/step_kind.h"

namespace gpuplan::test {

struct FakeGuest {
  std::string address;
  std::size_t gpus = 0;
  bool defined = true;
  bool running = true;
  bool silent = false;  // runs, but does not answer
  bool cuda = true;     // CUDA initializes, if it has GPUs
  sim::GuestDisk disk;
};

// Not thread-safe. Time stands still except while somebody sleeps.
class FakeGuestHost : public Host, public sim::GuestWorld {
 public:
  std::map<std::string, FakeGuest> machines;
  std::int64_t time = 1'800'000'000;
  std::vector<std::string> changes;  // every mutating call: "gpu-worker-1: kubeadm reset --force"
  std::vector<std::string> queries;  // every other one on a guest, in the same form
  std::vector<Command> commands;     // of both, in full
  std::map<std::string, std::string> put_files;  // by path: the last that was put anywhere
  // Called before a mutating call with its text; may throw.
  std::function<void(const std::string&)> before_change;

  bool changed(const std::string& part) const;  // some mutating call contains it
  bool asked(const std::string& part) const;    // some query contains it
  std::size_t count(const std::string& part) const;
  Json& cluster() { return machines.at("gpu-control-plane").disk.state["cluster"]; }

  // Host
  std::string identity() override { return "fake"; }
  std::string description() override { return "fake"; }
  std::map<std::string, std::string> limitations() override { return {}; }
  FileSystem& files() override;
  CommandResult query(const Command& command) override;
  CommandResult run(const Command& command) override;
  Hypervisor& hypervisor() override;
  Guests& guests() override;
  Clock& clock() override;
  FakeGuestHost();
  ~FakeGuestHost() override;

  // sim::GuestWorld, for the guest on which a program runs now
  std::int64_t now() override { return time; }
  std::string node() override { return current_; }
  std::string address() override { return machines.at(current_).address; }
  std::size_t gpus_of(const std::string& node) override;
  bool has_cuda(const std::string& node) override { return gpus_of(node) > 0 && machines.at(node).cuda; }
  bool runs(const std::string& node) override;
  sim::GuestDisk* disk_of_node(const std::string& node) override;
  sim::GuestDisk* disk_at(const std::string& address) override;

 private:
  class GuestsPort;
  class HypervisorPort;
  class ClockPort;
  void will_change(const std::string& text);
  FakeGuest& answering(const GuestTarget& target);

  std::string current_;
  std::unique_ptr<GuestsPort> guests_;
  std::unique_ptr<HypervisorPort> hypervisor_;
  std::unique_ptr<ClockPort> clock_;
};

// A StepContext that waits on the host's clock, in the words of the engine's.
class FakeContext : public StepContext {
 public:
  FakeContext(const Spec& spec, FakeGuestHost& host) : spec_(spec), host_(host) {}
  const Spec& spec() const override { return spec_; }
  void progress(const std::string& text) override { progress_lines.push_back(text); }
  void log(const std::string&) override {}
  void keep_output(const std::string& node, const std::string& title, const std::string& text) override {
    output_lines.push_back(node + ": " + title + "\n" + text);
  }
  std::string output_of(const std::string& node) const override { return "logs/" + node + ".log"; }
  void wait_until(const std::string& what, std::chrono::seconds limit, std::chrono::milliseconds poll,
                  const std::function<bool()>& ready) override;
  bool is_withdrawn(const Address& address) const override { return withdrawn.count(address.to_string()) > 0; }

  std::map<std::string, bool> withdrawn;
  std::vector<std::string> progress_lines;
  std::vector<std::string> output_lines;  // of the node logs

 private:
  const Spec& spec_;
  FakeGuestHost& host_;
};

// A control plane and workers, the step kinds from their modules, and what the journal would remember.
class ClusterRig {
 public:
  // worker_gpus[i]: GPUs of gpu-worker-(i+1).
  explicit ClusterRig(const std::vector<std::size_t>& worker_gpus = {4, 4});

  FakeGuestHost host;
  Spec spec;

  const StepKind& kind(const std::string& name) const;
  Resource resource(const std::string& address) const;  // as the spec declares it
  Prior prior(const std::string& address) const;
  Observation observe(const std::string& address);
  Change plan(const std::string& address);  // observe and compare
  std::vector<CheckResult> check(const std::string& address);
  // Plans, captures, applies, observes again and requires that nothing is left to do. The node on which kubeadm is to run
  // is prepared first.
  Change apply(const std::string& address);
  // As a run that fails in its apply stage: the capture is remembered, the error comes back.
  std::string failing_apply(const std::string& address);
  // Undoes what the last apply of `address` did, from its capture.
  void undo(const std::string& address, Stage stage = Stage::apply);
  Change removal(const std::string& address, const std::vector<std::string>& withdrawn = {});
  void withdraw(const Change& change);
  void apply_all();  // k8s-init, the joins, gpu-operator, with what they need

  struct Journaled {
    Change change;
    Json captured;
    Json origin;
    bool complete = false;
  };
  std::map<std::string, Journaled> journal;

 private:
  void prepare_for(const std::string& address);
  void capture(const Change& change);
};

// GPUs move to another worker: spec and machine.
void give_gpus(ClusterRig& rig, std::size_t worker_1, std::size_t worker_2);
// A guest's disk without what scripts/guest installed: that stays when a step is undone.
Json disk_without_packages(const sim::GuestDisk& disk);
std::string text_of(const std::vector<CheckResult>& checks);  // "fail kubernetes-version: …\n"

}  // namespace gpuplan::test
