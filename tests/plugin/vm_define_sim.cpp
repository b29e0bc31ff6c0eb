// vm-define on the simulated 8×H100 server that ships with gpuplan.
#include <fstream>

#include "host/sim/sim_host.h"
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
    for (const GpuSpec& gpu : spec.gpus) {
      const std::string bdf = gpu.address.to_string();
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
  Step begin(const Change& change) { return {change, vm_define().capture(change, *host)}; }
  void withdraw(const Step& step) { vm_define().withdraw(step.change, step.captured, {}, *host, context_); }
  void apply(const Step& step) { vm_define().apply(step.change, step.captured, *host, context_); }
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
  CHECK(server.host->hypervisor().domains().empty());
  CHECK_FALSE(server.host->hypervisor().network("gpu-k8s-net"));
  CHECK_FALSE(server.host->hypervisor().pool("gpuplan"));
  CHECK(server.host->files().kind("/var/lib/gpuplan/images") == FileKind::none);
}
