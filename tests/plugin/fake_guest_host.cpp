#include "fake_guest_host.h"

#include <fmt/format.h>

#include <algorithm>

#include "loader/load_plugins.h"
#include "support/catch.h"

namespace gpuplan::test {
namespace {

[[noreturn]] void not_here(const char* what) {
  throw HostError(HostError::Kind::unsupported, what, fmt::format("the fake host has no {}", what));
}

}  // namespace

class FakeGuestHost::GuestsPort : public Guests {
 public:
  explicit GuestsPort(FakeGuestHost& host) : host_(host) {}

  bool answers(const GuestTarget& guest) override {
    const auto found = host_.machines.find(guest.node);
    return found != host_.machines.end() && found->second.defined && found->second.running && !found->second.silent &&
           found->second.address == guest.address;
  }
  CommandResult query(const GuestTarget& guest, const Command& command) override {
    host_.queries.push_back(guest.node + ": " + join_argv(command.argv));
    return interpret(guest, command, true);
  }
  CommandResult run(const GuestTarget& guest, const Command& command) override {
    host_.will_change(guest.node + ": " + join_argv(command.argv));
    return interpret(guest, command, false);
  }
  std::optional<std::string> get(const GuestTarget& guest, const std::string& path) override {
    const auto& files = host_.answering(guest).disk.files;
    const auto found = files.find(path);
    if (found == files.end()) return std::nullopt;
    return found->second.content;
  }
  void put(const GuestTarget& guest, const std::string& path, const std::string& content, unsigned mode) override {
    host_.will_change(guest.node + ": put " + path);
    host_.put_files[path] = content;
    host_.answering(guest).disk.files[path] = {content, mode};
  }
  void remove(const GuestTarget& guest, const std::string& path) override {
    host_.will_change(guest.node + ": remove " + path);
    host_.answering(guest).disk.files.erase(path);
  }
  GuestCredentials credentials(const std::string&) override { not_here("credentials"); }
  void forget(const std::string&) override { not_here("credentials"); }

 private:
  CommandResult interpret(const GuestTarget& guest, const Command& command, bool read_only) {
    FakeGuest& machine = host_.answering(guest);
    host_.current_ = guest.node;
    host_.commands.push_back(command);
    return sim::run_guest_program(machine.disk, host_, command, read_only);
  }

  FakeGuestHost& host_;
};

class FakeGuestHost::ClockPort : public Clock {
 public:
  explicit ClockPort(FakeGuestHost& host) : host_(host) {}
  std::int64_t now() override { return host_.time; }
  void sleep_for(std::chrono::milliseconds duration) override {
    host_.time += std::max<std::int64_t>(1, duration.count() / 1000);
  }

 private:
  FakeGuestHost& host_;
};

class FakeGuestHost::HypervisorPort : public Hypervisor {
 public:
  explicit HypervisorPort(FakeGuestHost& host) : host_(host) {}
  std::optional<DomainState> domain(const std::string& name) override {
    const auto found = host_.machines.find(name);
    if (found == host_.machines.end() || !found->second.defined) return std::nullopt;
    DomainState state;
    state.name = name;
    state.power = found->second.running ? PowerState::running : PowerState::off;
    return state;
  }
  std::vector<DomainState> domains() override { not_here("list of domains"); }
  std::vector<NetworkState> networks() override { not_here("network"); }
  std::optional<NetworkState> network(const std::string&) override { not_here("network"); }
  std::optional<PoolState> pool(const std::string&) override { not_here("pool"); }
  std::vector<VolumeState> volumes(const std::string&) override { not_here("pool"); }
  std::optional<VolumeState> volume(const std::string&, const std::string&) override { not_here("pool"); }
  std::string console_tail(const std::string&, std::size_t) override { not_here("console"); }
  void define_domain(const std::string&) override { not_here("hypervisor"); }
  void start_domain(const std::string&) override { not_here("hypervisor"); }
  void shut_down_domain(const std::string&) override { not_here("hypervisor"); }
  void kill_domain(const std::string&) override { not_here("hypervisor"); }
  void undefine_domain(const std::string&) override { not_here("hypervisor"); }
  void set_autostart(const std::string&, bool) override { not_here("hypervisor"); }
  void define_network(const std::string&) override { not_here("network"); }
  void start_network(const std::string&) override { not_here("network"); }
  void remove_network(const std::string&) override { not_here("network"); }
  void define_pool(const std::string&, const std::string&) override { not_here("pool"); }
  void remove_pool(const std::string&) override { not_here("pool"); }
  void create_volume(const std::string&, const std::string&, std::int64_t, const std::string&) override {
    not_here("pool");
  }
  void upload_volume(const std::string&, const std::string&, const std::string&) override { not_here("pool"); }
  void fetch_image(const std::string&, const std::string&, const ImageSource&) override {
    not_here("pool");
  }
  void delete_kept_downloads() override {}
  void grow_volume(const std::string&, const std::string&, std::int64_t) override { not_here("pool"); }
  void delete_volume(const std::string&, const std::string&) override { not_here("pool"); }

 private:
  FakeGuestHost& host_;
};

FakeGuestHost::FakeGuestHost()
    : guests_(std::make_unique<GuestsPort>(*this)),
      hypervisor_(std::make_unique<HypervisorPort>(*this)),
      clock_(std::make_unique<ClockPort>(*this)) {}
FakeGuestHost::~FakeGuestHost() = default;

bool FakeGuestHost::changed(const std::string& part) const { return count(part) > 0; }

bool FakeGuestHost::asked(const std::string& part) const {
  return std::any_of(queries.begin(), queries.end(), [&](const std::string& text) { return text.find(part) != std::string::npos; });
}

std::size_t FakeGuestHost::count(const std::string& part) const {
  return static_cast<std::size_t>(std::count_if(
      changes.begin(), changes.end(), [&](const std::string& text) { return text.find(part) != std::string::npos; }));
}

FileSystem& FakeGuestHost::files() { not_here("files"); }
CommandResult FakeGuestHost::query(const Command&) { not_here("commands"); }
CommandResult FakeGuestHost::run(const Command&) { not_here("commands"); }
Hypervisor& FakeGuestHost::hypervisor() { return *hypervisor_; }
Guests& FakeGuestHost::guests() { return *guests_; }
Clock& FakeGuestHost::clock() { return *clock_; }

std::size_t FakeGuestHost::gpus_of(const std::string& node) { return runs(node) ? machines.at(node).gpus : 0; }

bool FakeGuestHost::runs(const std::string& node) {
  const auto found = machines.find(node);
  return found != machines.end() && found->second.defined && found->second.running;
}

sim::GuestDisk* FakeGuestHost::disk_of_node(const std::string& node) {
  return runs(node) ? &machines.at(node).disk : nullptr;
}

sim::GuestDisk* FakeGuestHost::disk_at(const std::string& address) {
  for (auto& [name, machine] : machines) {
    if (machine.address == address && runs(name)) return &machine.disk;
  }
  return nullptr;
}

void FakeGuestHost::will_change(const std::string& text) {
  if (before_change) before_change(text);
  changes.push_back(text);
}

FakeGuest& FakeGuestHost::answering(const GuestTarget& target) {
  if (!guests_->answers(target)) {
    throw HostError(HostError::Kind::unreachable, target.node,
                    fmt::format("{} does not answer at {}", target.node, target.address));
  }
  return machines.at(target.node);
}

void FakeContext::wait_until(const std::string& what, std::chrono::seconds limit, std::chrono::milliseconds poll,
                             const std::function<bool()>& ready) {
  const std::int64_t deadline = host_.time + limit.count();
  while (!ready()) {
    if (host_.time >= deadline) {
      throw HostError(HostError::Kind::timed_out, what,
                      fmt::format("{} did not happen within {}s", what, limit.count()));
    }
    host_.clock().sleep_for(poll);
  }
}

ClusterRig::ClusterRig(const std::vector<std::size_t>& worker_gpus) {
  spec.control_plane.name = "gpu-control-plane";
  spec.control_plane.address = "192.168.130.10";
  host.machines["gpu-control-plane"].address = spec.control_plane.address;
  std::size_t next_gpu = 0;
  for (std::size_t i = 0; i < worker_gpus.size(); ++i) {
    WorkerSpec worker;
    worker.key = fmt::format("worker-{}", i + 1);
    worker.name = "gpu-" + worker.key;
    worker.address = fmt::format("192.168.130.{}", 21 + i);
    for (std::size_t n = 0; n < worker_gpus[i]; ++n) worker.gpu_indexes.push_back(next_gpu++);
    host.machines[worker.name].address = worker.address;
    host.machines[worker.name].gpus = worker_gpus[i];
    spec.workers.push_back(worker);
  }
  spec.gpus.resize(next_gpu);
}

const StepKind& ClusterRig::kind(const std::string& name) const {
  static const StepKinds kinds = [] {
    StepKinds loaded;
    Diagnostics diagnostics;
    load_plugins({GPUPLAN_PLUGIN_DIR}, loaded, diagnostics);
    return loaded;
  }();
  const StepKind* found = kinds.find(name);
  INFO(name);
  REQUIRE(found != nullptr);
  return *found;
}

Resource ClusterRig::resource(const std::string& address) const {
  const auto parsed = Address::parse(address);
  REQUIRE(parsed);
  for (const Resource& item : kind(std::string(parsed->kind())).expand(spec)) {
    if (item.address == *parsed) return item;
  }
  FAIL("the spec does not declare " << address);
  return {};
}

Prior ClusterRig::prior(const std::string& address) const {
  const auto found = journal.find(address);
  if (found == journal.end()) return {};
  Prior prior{true, found->second.change.resource.declared};
  prior.complete = found->second.complete;
  return prior;
}

Observation ClusterRig::observe(const std::string& address) {
  const Resource item = resource(address);
  return kind(std::string(item.address.kind())).observe(item, prior(address), host);
}

Change ClusterRig::plan(const std::string& address) {
  const Resource item = resource(address);
  Change change = kind(std::string(item.address.kind())).compare(item, observe(address), prior(address));
  change.resource = item;  // as the planner does
  return change;
}

std::vector<CheckResult> ClusterRig::check(const std::string& address) {
  const Resource item = resource(address);
  return kind(std::string(item.address.kind())).check(item, spec, prior(address), host);
}

void ClusterRig::capture(const Change& change) {
  const std::string address = change.address.to_string();
  Json captured = kind(std::string(change.address.kind())).capture(change, host);
  const auto known = journal.find(address);
  Json origin = known != journal.end() ? known->second.origin : change.action == Action::create ? captured : Json();
  journal[address] = {change, std::move(captured), std::move(origin)};
}

void ClusterRig::prepare_for(const std::string& address) {
  const std::string kind = address.substr(0, address.find('/'));
  if (kind == "k8s-init" || kind == "worker-join") apply("node-prepare" + address.substr(kind.size()));
}

Change ClusterRig::apply(const std::string& address) {
  prepare_for(address);
  const Change change = plan(address);
  if (change.action == Action::none) return change;
  capture(change);
  FakeContext context(spec, host);
  kind(std::string(change.address.kind())).apply(change, journal[address].captured, host, context);
  journal[address].complete = true;
  const Change left = plan(address);
  INFO(address << ": " << (left.reasons.empty() ? "" : left.reasons.front()));
  REQUIRE(left.action == Action::none);
  return change;
}

std::string ClusterRig::failing_apply(const std::string& address) {
  try {
    prepare_for(address);
    const Change change = plan(address);
    REQUIRE(change.action != Action::none);
    capture(change);
    FakeContext context(spec, host);
    kind(std::string(change.address.kind())).apply(change, journal[address].captured, host, context);
  } catch (const HostError& error) {
    return error.what();
  }
  FAIL("apply of " << address << " did not fail");
  return {};
}

void ClusterRig::undo(const std::string& address, Stage stage) {
  FakeContext context(spec, host);
  const Journaled& entry = journal.at(address);
  kind(std::string(entry.change.address.kind())).undo(stage, entry.change, entry.captured, host, context);
}

namespace {

class Scope : public RemovalScope {
 public:
  explicit Scope(const std::vector<std::string>& withdrawn) : withdrawn_(withdrawn) {}
  bool is_withdrawn(const Address& address) const override {
    return std::find(withdrawn_.begin(), withdrawn_.end(), address.to_string()) != withdrawn_.end();
  }

 private:
  const std::vector<std::string>& withdrawn_;
};

}  // namespace

Change ClusterRig::removal(const std::string& address, const std::vector<std::string>& withdrawn) {
  Change change;
  change.resource = journal.at(address).change.resource;
  change.address = change.resource.address;
  change.action = Action::remove;
  change.has_withdraw = true;
  const StepKind& step_kind = kind(std::string(change.address.kind()));
  change.before = step_kind.observe(change.resource, prior(address), host);
  step_kind.plan_removal(change, Scope(withdrawn));
  return change;
}

void ClusterRig::withdraw(const Change& change) {
  capture(change);
  const Journaled& entry = journal.at(change.address.to_string());
  FakeContext context(spec, host);
  kind(std::string(change.address.kind())).withdraw(change, entry.captured, entry.origin, host, context);
}

void ClusterRig::apply_all() {
  apply("k8s-init/gpu-control-plane");
  for (const WorkerSpec& worker : spec.workers) apply("worker-join/" + worker.name);
  apply("gpu-operator/gpu-operator");
}

void give_gpus(ClusterRig& rig, std::size_t worker_1, std::size_t worker_2) {
  const std::size_t counts[] = {worker_1, worker_2};
  std::size_t next = 0;
  for (std::size_t i = 0; i < 2; ++i) {
    WorkerSpec& worker = rig.spec.workers.at(i);
    worker.gpu_indexes.clear();
    for (std::size_t n = 0; n < counts[i]; ++n) worker.gpu_indexes.push_back(next++);
    rig.host.machines.at(worker.name).gpus = counts[i];
  }
}

Json disk_without_packages(const sim::GuestDisk& disk) {
  Json out = sim::to_json(disk);
  for (const char* installed : {"prepared", "kubeadm_version", "helm_version"}) out["state"].erase(installed);
  return out;
}

std::string text_of(const std::vector<CheckResult>& checks) {
  std::string out;
  for (const CheckResult& check : checks) {
    out += fmt::format("{} {}: {}\n",
                       check.status == CheckStatus::fail   ? "fail"
                       : check.status == CheckStatus::warn ? "warn"
                                                           : "pass",
                       check.name, check.found);
  }
  return out;
}

}  // namespace gpuplan::test
