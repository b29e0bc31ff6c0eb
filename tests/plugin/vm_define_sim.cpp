// vm-define on the simulated 8×H100 server that ships with gpuplan.
#include <array>
#include <fstream>

#include "host/guard/guarded_host.h"
#include "host/pci/nvidia/fabric.h"
#include "host/sim/sim_host.h"
#include "support/host_error_of.h"
#include "support/temporary_directory.h"
#include "vm_define_rig.h"

using namespace vm_define_fake;

namespace {

// The server as shipped, but its clock never really sleeps.
std::string timeless() {
  std::ifstream file(std::string(GPUPLAN_SOURCE_DIR) + "/specs/hosts/h100-sxm8.yaml");
  std::string text, line;
  while (std::getline(file, line)) text += line.rfind("clock_speed:", 0) == 0 ? "" : line + "\n";
  return text + "clock_speed: 0\n";
}

// Fabric Manager's ids of the spec's GPUs, in their order.
constexpr std::array<int, 8> modules = {5, 7, 6, 8, 1, 3, 2, 4};

// The simulated server with the spec's GPUs bound to vfio-pci, as vfio-bind leaves them.
class Server {
 public:
  TemporaryDirectory directory;
  std::unique_ptr<Host> host;
  Spec spec = h100_spec();

  Server() {
    Diagnostics diagnostics;
    const std::string file = directory / "h100-sxm8.yaml";
    std::ofstream(file) << timeless();
    host = open_sim_host(file, directory.path(), diagnostics);
    REQUIRE(host);
    host->run({{"systemctl", "stop", "nvidia-persistenced"}, {}, std::chrono::seconds(60)});
    host->run({{"modprobe", "vfio-pci"}, {}, std::chrono::seconds(60)});
    host->files().make_directory(gpu_modules_path, 0700);
    for (std::size_t i = 0; i < spec.gpus.size(); ++i) {
      const std::string bdf = spec.gpus[i].address.to_string();
      host->files().put_file(fmt::format("{}/{}", gpu_modules_path, bdf), fmt::format("{}\n", modules.at(i)), 0600);
      const std::string device = "/sys/bus/pci/devices/" + bdf;
      host->files().write(device + "/driver_override", "vfio-pci\n", std::chrono::seconds(10));
      host->files().write(device + "/driver/unbind", bdf, std::chrono::seconds(10));
      host->files().write("/sys/bus/pci/drivers_probe", bdf, std::chrono::seconds(10));
    }
  }

  Change plan(std::size_t index, bool owned = true) {
    const Resource wanted = vm_define().expand(spec).at(index);
    const Prior prior{owned, wanted.declared};
    Change change = vm_define().compare(wanted, vm_define().observe(wanted, prior, *host), prior);
    if (change.action == Action::replace) vm_define().plan_removal(change, scope_);
    return change;
  }
  Change removal(std::size_t index) {
    Change change = plan(index);
    change.action = Action::remove;
    change.attributes.clear();
    vm_define().plan_removal(change, scope_);
    return change;
  }
  // Ids of the partitions that are active.
  std::vector<std::int64_t> active() {
    std::vector<std::int64_t> ids;
    for (const FabricPartition& partition : read_fabric_partitions(*host)) {
      if (partition.active) ids.push_back(partition.id);
    }
    return ids;
  }
  CommandResult fmpm(const std::string& option, const std::string& id) {
    return host->run({{"fmpm", option, id}, {}, std::chrono::seconds(60)});
  }
  std::string cuda_on(const std::string& node) {
    return host->guests().query({node, ""}, {{"deviceQuery"}, {}, std::chrono::seconds(60)}).output;
  }
  Step begin(const Change& change) { return {change, vm_define().capture(change, *host)}; }
  void withdraw(const Step& step, Host& through) {
    vm_define().withdraw(step.change, step.captured, {}, through, context_);
  }
  void withdraw(const Step& step) { withdraw(step, *host); }
  void apply(const Step& step, Host& through) { vm_define().apply(step.change, step.captured, through, context_); }
  void apply(const Step& step) { apply(step, *host); }
  void commit(const Step& step) { vm_define().commit(step.change, step.captured, {}, *host, context_); }
  void undo(const Step& step, Stage stage) { vm_define().undo(stage, step.change, step.captured, *host, context_); }
  Step run(const Change& change) {
    Step step = begin(change);
    if (change.has_withdraw) withdraw(step);
    if (change.has_apply) apply(step);
    if (change.has_commit) commit(step);
    return step;
  }

 private:
  struct Nothing : RemovalScope {
    bool is_withdrawn(const Address&) const override { return false; }
  };
  Nothing scope_;
  // Waits on the host's own clock: waiting moves virtual time.
  struct ServerContext : StepContext {
    Server& server;
    explicit ServerContext(Server& owner) : server(owner) {}
    const Spec& spec() const override { return server.spec; }
    void progress(const std::string&) override {}
    void log(const std::string&) override {}
    void keep_output(const std::string&, const std::string&, const std::string&) override {}
    std::string output_of(const std::string&) const override { return {}; }
    void wait_until(const std::string& what, std::chrono::seconds limit, std::chrono::milliseconds poll,
                    const std::function<bool()>& ready) override {
      FakeContext(server.spec, server.host->clock()).wait_until(what, limit, poll, ready);
    }
    bool is_withdrawn(const Address&) const override { return false; }
  };
  ServerContext context_{*this};
};

}  // namespace

TEST_CASE("vm-define passes its checks on the simulated server") {
  Server server;
  for (const Resource& resource : vm_define().expand(server.spec)) {
    const auto results = vm_define().check(resource, server.spec, {}, *server.host);
    CHECK(texts(results, CheckStatus::fail).empty());
    CHECK_FALSE(results.empty());
  }
}

TEST_CASE("vm-define on the simulated server: create, nothing, change, move, replace, remove") {
  Server server;
  for (std::size_t i = 0; i < 3; ++i) server.run(server.plan(i, false));
  for (std::size_t i = 0; i < 3; ++i) CHECK(server.plan(i).action == Action::none);
  CHECK(server.host->guests().answers({"gpu-worker-1", "192.168.130.21"}));

  server.spec.workers[0].resources.memory_mib = 262144;
  server.run(server.plan(1));
  CHECK(server.plan(1).action == Action::none);

  server.spec.workers[0].gpu_indexes = {0, 1, 2, 4};
  server.spec.workers[1].gpu_indexes = {3, 5, 6, 7};
  const Step one = server.begin(server.plan(1));
  const Step two = server.begin(server.plan(2));
  server.withdraw(one);
  server.withdraw(two);
  server.apply(one);
  server.apply(two);
  CHECK(server.plan(1).action == Action::none);
  CHECK(server.plan(2).action == Action::none);
  for (const Step* step : {&two, &one}) server.undo(*step, Stage::apply);
  for (const Step* step : {&two, &one}) server.undo(*step, Stage::withdraw);
  server.spec.workers[0].gpu_indexes = {0, 1, 2, 3};
  server.spec.workers[1].gpu_indexes = {4, 5, 6, 7};
  CHECK(server.plan(1).action == Action::none);
  CHECK(server.plan(2).action == Action::none);

  server.spec.workers[1].resources.firmware = "bios";
  const Change replaced = server.plan(2);
  CHECK(replaced.action == Action::replace);
  server.run(replaced);
  CHECK(server.plan(2).action == Action::none);

  for (std::size_t i = 0; i < 3; ++i) server.run(server.removal(i));
  CHECK(server.active().empty());
  CHECK(server.host->hypervisor().domains().empty());
  CHECK_FALSE(server.host->hypervisor().network("gpu-k8s-net"));
  CHECK_FALSE(server.host->hypervisor().pool("gpuplan"));
  CHECK(server.host->files().kind("/var/lib/gpuplan/images") == FileKind::none);
}

TEST_CASE("a VM that gets a GPU more keeps the addresses of those it has") {
  Server server;
  server.host->files().put_file(fabric_config_path, "FABRIC_MODE=0\n", 0644);
  const auto places = [&] {
    const DomainDefinition definition = parse_domain(server.host->hypervisor().domain("gpu-worker-1")->xml).value();
    std::string text;
    for (const GuestBus& place : definition.guest_buses) {
      text += fmt::format("{}@{} ", place.slot.to_string(), place.bus);
    }
    return text;
  };
  server.spec.workers[0].gpu_indexes = {1, 3};
  server.run(server.plan(1, false));
  CHECK(places() == "0000:18:00.0@5 0000:43:00.0@6 ");
  server.spec.workers[0].gpu_indexes = {0, 1, 2, 3};
  const Step more = server.run(server.plan(1));
  CHECK(places() == "0000:0a:00.0@7 0000:18:00.0@5 0000:3a:00.0@8 0000:43:00.0@6 ");
  const Resource wanted = vm_define().expand(server.spec).at(1);
  CHECK_THAT(*vm_define().document(wanted, server.spec, *server.host), contains("bus=\"0x08\""));
  server.undo(more, Stage::apply);
  server.undo(more, Stage::withdraw);
  CHECK(places() == "0000:18:00.0@5 0000:43:00.0@6 ");
}

TEST_CASE("a VM's NVSwitch partition is active exactly while the VM has its GPUs") {
  Server server;
  const Change made = server.plan(1, false);
  CHECK(made.attributes.back() == AttributeChange{"fabric_partition", std::string("inactive"), std::string("2"), true, false, false});
  const Step step = server.begin(made);
  server.apply(step);
  CHECK(server.active() == std::vector<std::int64_t>{2});
  CHECK(server.cuda_on("gpu-worker-1") == "Detected 4 CUDA Capable device(s)\nResult = PASS\n");
  CHECK(server.plan(1).action == Action::none);

  SECTION("one that somebody deactivated is activated again, with the guest off") {
    REQUIRE(server.fmpm("-d", "2").ok());
    const Change change = server.plan(1);
    CHECK(change.action == Action::update);
    CHECK(change.reasons == std::vector<std::string>{"`fabric_partition` is inactive, the GPUs are partition 2"});
    CHECK(change.notes.back() == "gpu-worker-1 restarts");
    const Step again = server.run(change);
    CHECK(server.active() == std::vector<std::int64_t>{2});
    server.undo(again, Stage::apply);
    server.undo(again, Stage::withdraw);
    CHECK(server.active().empty());
  }
  SECTION("a VM that was shut down by hand gives its partition up before it takes another") {
    server.host->hypervisor().kill_domain("gpu-worker-1");
    server.spec.workers[0].gpu_indexes = {0, 1};
    const Change change = server.plan(1);
    CHECK(change.has_withdraw);
    const Step smaller = server.run(change);
    CHECK(server.active() == std::vector<std::int64_t>{5});
    server.undo(smaller, Stage::apply);
    server.undo(smaller, Stage::withdraw);
    CHECK(server.active() == std::vector<std::int64_t>{2});
  }
  SECTION("more memory leaves it active") {
    server.spec.workers[0].resources.memory_mib = 262144;
    const Step larger = server.begin(server.plan(1));
    server.withdraw(larger);
    CHECK(server.active() == std::vector<std::int64_t>{2});
    server.apply(larger);
    CHECK(server.plan(1).action == Action::none);
  }
  SECTION("taken back") {
    server.undo(step, Stage::apply);
    CHECK(server.active().empty());
  }
  SECTION("removed and taken back") {
    const Change removal = server.removal(1);
    const Step removed = server.begin(removal);
    server.withdraw(removed);
    CHECK(server.active().empty());
    server.undo(removed, Stage::withdraw);
    CHECK(server.active() == std::vector<std::int64_t>{2});
    CHECK(server.cuda_on("gpu-worker-1") == "Detected 4 CUDA Capable device(s)\nResult = PASS\n");
  }
}

TEST_CASE("a partition that was active before gpuplan came stays so") {
  Server server;
  REQUIRE(server.fmpm("-a", "2").ok());
  const Step step = server.begin(server.plan(1, false));
  server.apply(step);
  server.undo(step, Stage::apply);
  CHECK(server.active() == std::vector<std::int64_t>{2});
}

TEST_CASE("a partition that shares GPUs with an active one is refused before anything is changed") {
  Server server;
  REQUIRE(server.fmpm("-a", "0").ok());
  const Resource worker = vm_define().expand(server.spec).at(1);
  CHECK(texts(vm_define().check(worker, server.spec, {}, *server.host), CheckStatus::fail) ==
        std::vector<std::string>{"fabric-partition: the GPUs of gpu-worker-1 are NVSwitch partition 2, but partition 0 has some "
                                 "of them and is active; if no VM uses it: `fmpm -d 0`"});
  const Step step = server.begin(server.plan(1, false));
  const HostError error = host_error_of([&] { server.apply(step); });
  CHECK(std::string(error.what()) ==
        "cannot activate NVSwitch partition 2: Failed to activate partition. fmReturn: -7; partition 0 shares GPUs with it "
        "and is active; if no VM uses those: `fmpm -d 0`");
}

TEST_CASE("a host whose Fabric Manager does not share its fabric sees nothing of partitions") {
  Server server;
  server.host->files().put_file(fabric_config_path, "FABRIC_MODE=0\n", 0644);
  const Change change = server.plan(1, false);
  CHECK(change.before.attributes.find("partition_of_gpus") == nullptr);
  for (const AttributeChange& attribute : change.attributes) CHECK(attribute.name.find("partition") == std::string::npos);
  server.run(change);
  CHECK(server.active().empty());
}

TEST_CASE("a move to another partition that stops at any call is taken back and completed") {
  const auto moved = [](Server& server) {
    server.run(server.plan(1, false));
    server.spec.workers[0].gpu_indexes = {0, 1};
    return server.begin(server.plan(1));
  };
  std::int64_t calls = 0;
  {
    Server server;
    const Step step = moved(server);
    GuardedHost guarded(*server.host, {});
    const auto through = guarded.for_resource("vm-define/gpu-worker-1");
    server.withdraw(step, *through);
    server.apply(step, *through);
    calls = guarded.mutating_calls();
  }
  REQUIRE(calls >= 5);  // shut down, deactivate, define, activate, start
  for (std::int64_t call = 1; call <= calls; ++call) {
    for (const bool completes : {true, false}) {
      CAPTURE(call, completes);
      Server server;
      const Step step = moved(server);
      Fault fault;
      fault.call = call;
      GuardedHost guarded(*server.host, {fault});
      const auto through = guarded.for_resource("vm-define/gpu-worker-1");
      bool applying = false;
      CHECK_THROWS_AS(
          [&] {
            server.withdraw(step, *through);
            applying = true;
            server.apply(step, *through);
          }(),
          HostError);
      if (completes) {
        server.run(server.plan(1));
        CHECK(server.active() == std::vector<std::int64_t>{5});
        CHECK(server.plan(1).action == Action::none);
      } else {
        if (applying) server.undo(step, Stage::apply);
        server.undo(step, Stage::withdraw);
        CHECK(server.active() == std::vector<std::int64_t>{2});
        CHECK(server.cuda_on("gpu-worker-1") == "Detected 4 CUDA Capable device(s)\nResult = PASS\n");
      }
    }
  }
}

TEST_CASE("sim: two clusters in one pool: who goes takes no image that the other has fetched") {
  Server server;
  const auto images = [&] {
    std::vector<std::string> names;
    for (const VolumeState& volume : server.host->hypervisor().volumes("gpuplan")) {
      if (volume.name.rfind("gpuplan-base-", 0) == 0) names.push_back(volume.name);
    }
    return names;
  };
  server.run(server.plan(0, false));
  REQUIRE(images().size() == 1);
  // The other cluster's apply has fetched its image, and has made no disk yet.
  const std::string theirs = "gpuplan-base-theirs-0123456789ab.img";
  server.host->hypervisor().fetch_image("gpuplan", theirs, {"https://example.org/images/theirs.img", {}, {}, {}, {}});
  server.run(server.removal(0));
  CHECK(images() == std::vector<std::string>{theirs});
  CHECK(server.host->hypervisor().pool("gpuplan"));
}
