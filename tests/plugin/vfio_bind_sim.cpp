// vfio-bind and iommu-check on the simulated servers that ship.
#include <thread>

#include "host/guard/guarded_host.h"
#include "host/pci/nvidia/fabric.h"
#include "host/pci/pci.h"
#include "host/sim/sim_host.h"
#include "support/host_files.h"
#include "vfio_bind_rig.h"

using namespace gpuplan;
using namespace gpuplan::test;

namespace {

const std::vector<std::string> h100_gpus = {"0000:0a:00.0", "0000:18:00.0", "0000:3a:00.0", "0000:43:00.0",
                                            "0000:87:00.0", "0000:90:00.0", "0000:b9:00.0", "0000:c2:00.0"};

struct SimulatedServer {
  TemporaryDirectory state;
  std::unique_ptr<Host> host;
  Spec spec;

  // `without`: a package that is not installed there.
  explicit SimulatedServer(const std::string& name, const std::string& without = {}) {
    Diagnostics diagnostics;
    std::string file = std::string(GPUPLAN_SOURCE_DIR) + "/specs/hosts/" + name;
    if (!without.empty()) {
      const std::string text = content_of(file);
      const std::size_t at = text.find(without + ", ");
      REQUIRE(at != std::string::npos);
      file = state / name;
      make_file(file, text.substr(0, at) + text.substr(at + without.size() + 2));
    }
    host = open_sim_host(file, state / "state", diagnostics);
    for (const Diagnostic& item : diagnostics.items()) UNSCOPED_INFO(render(item, false));
    REQUIRE(host);
    spec.control_plane.name = "gpu-control-plane";
    spec.control_plane.resources = {16384, 8, 100, "efi", "none", "auto"};
    for (const std::string& gpu : h100_gpus) declare_gpu(spec, gpu);
    spec.gpu_device_ids = {{0x10de, 0x2330}};
    for (const std::size_t number : {1, 2}) {
      WorkerSpec worker;
      worker.key = fmt::format("worker-{}", number);
      worker.name = "gpu-" + worker.key;
      for (std::size_t i = 0; i < 4; ++i) worker.gpu_indexes.push_back((number - 1) * 4 + i);
      worker.resources = {204800, 48, 500, "efi", "none", "auto"};
      spec.workers.push_back(worker);
    }
  }
  GpuRig gpu(const std::string& address, Host& through) { return {through, spec, address, {}, {}, {}, false, {}}; }
  GpuRig gpu(const std::string& address) { return gpu(address, *host); }
  std::string driver(const std::string& address) {
    return read_pci_function(host->files(), *parse_bdf(address))->driver;
  }
  std::vector<CheckResult> host_checks() {
    const StepKind& kind = shipped_kind("iommu-check");
    return kind.check(kind.expand(spec).front(), spec, {}, *host);
  }
};

}  // namespace

TEST_CASE("sim: the shipped 8-GPU server passes every check of both kinds") {
  SimulatedServer server("h100-sxm8.yaml");
  CHECK(problems(server.host_checks()).empty());
  for (const std::string& address : h100_gpus) CHECK(problems(server.gpu(address).check()).empty());
  CHECK(check_named(server.host_checks(), "nvswitch").found ==
        "4 NVSwitches stay with the host, Fabric Manager in shared mode; the GPUs of each worker are one of its partitions");
}

TEST_CASE("sim: workers whose GPUs are no partition are refused before anything is taken") {
  SimulatedServer server("h100-sxm8.yaml");
  std::swap(server.spec.workers[0].gpu_indexes[3], server.spec.workers[1].gpu_indexes[0]);
  const CheckResult result = check_named(server.host_checks(), "nvswitch");
  CHECK(result.status == CheckStatus::fail);
  CHECK(result.found == "gpu-worker-1 gets the GPU modules 1, 5, 6, 7, and no Fabric Manager partition is exactly that");
  CHECK(result.remedy == "a worker with 4 GPUs can have 0000:87:00.0 0000:90:00.0 0000:b9:00.0 0000:c2:00.0; or "
                         "0000:0a:00.0 0000:18:00.0 0000:3a:00.0 0000:43:00.0");
}

TEST_CASE("sim: eight GPUs are bound side by side, applied again, and given back") {
  SimulatedServer server("h100-sxm8.yaml");
  std::vector<GpuRig> gpus;
  for (const std::string& address : h100_gpus) gpus.push_back(server.gpu(address));
  const auto at_once = [&](const std::function<void(GpuRig&)>& work) {
    std::vector<std::thread> threads;
    for (GpuRig& gpu : gpus) threads.emplace_back([&work, &gpu] { work(gpu); });
    for (std::thread& thread : threads) thread.join();
  };
  for (GpuRig& gpu : gpus) gpu.capture();
  at_once([](GpuRig& gpu) { gpu.apply_captured(); });
  for (const GpuRig& gpu : gpus) {
    CHECK(server.driver(gpu.address) == "vfio-pci");
    CHECK(server.host->files().read(sysfs_device(*parse_bdf(gpu.address)) + "/power_state") == "D0\n");
    CHECK(gpu.plan().action == Action::none);
    CHECK(problems(gpu.check()).empty());
  }
  // nvidia-smi knows no module ids any more; vfio-bind has noted them.
  CHECK(problems(server.host_checks()).empty());
  CHECK(server.host->files().read("/var/lib/gpuplan-gpu-modules/0000:43:00.0") == "8\n");
  CHECK(server.driver("0000:05:00.0") == "nvidia-nvswitch");
  at_once([](GpuRig& gpu) { gpu.undo(); });
  for (const std::string& address : h100_gpus) CHECK(server.driver(address) == "nvidia");
  CHECK(server.host->files().kind("/run/gpuplan") == FileKind::none);
}

TEST_CASE("sim: what may sleep while the host has it may do so again when it is back") {
  SimulatedServer server("h100-sxm8.yaml");
  const std::string control = sysfs_device(*parse_bdf(h100_gpus[0])) + "/power/control";
  server.host->files().write(control, "auto\n", std::chrono::seconds(1));
  GpuRig gpu = server.gpu(h100_gpus[0]);
  gpu.apply();
  CHECK(server.host->files().read(control) == "on\n");
  gpu.undo();
  CHECK(server.host->files().read(control) == "auto\n");
}

TEST_CASE("sim: what is on vfio-pci already is kept awake too, and may sleep again when it is given back") {
  SimulatedServer server("h100-sxm8.yaml");
  const std::string control = sysfs_device(*parse_bdf(h100_gpus[0])) + "/power/control";
  const auto let_sleep = [&] { server.host->files().write(control, "auto\n", std::chrono::seconds(1)); };
  let_sleep();
  GpuRig gpu = server.gpu(h100_gpus[0]);
  gpu.apply();
  let_sleep();  // as a run leaves it that was killed when the driver had been changed
  gpu.apply_captured();
  CHECK(server.host->files().read(control) == "on\n");
  gpu.undo();
  CHECK(server.host->files().read(control) == "auto\n");
}

TEST_CASE("sim: the module id of a GPU is known after a reboot too, when no driver of NVIDIA's has had it since") {
  SimulatedServer server("h100-sxm8.yaml");
  server.gpu("0000:43:00.0").apply();
  CHECK(server.host->files().kind("/run/gpuplan") == FileKind::none);  // which a reboot empties
  CHECK(read_gpu_module(*server.host, *parse_bdf("0000:43:00.0")) == 8);
}

TEST_CASE("sim: undoing a removal notes the module id again, without which no partition is known") {
  SimulatedServer server("h100-sxm8.yaml");
  GpuRig gpu = server.gpu("0000:43:00.0");
  gpu.apply();
  gpu.withdraw();
  CHECK(server.host->files().kind("/var/lib/gpuplan-gpu-modules/0000:43:00.0") == FileKind::none);
  gpu.undo(Stage::withdraw);
  CHECK(server.driver("0000:43:00.0") == "vfio-pci");
  CHECK(server.host->files().read("/var/lib/gpuplan-gpu-modules/0000:43:00.0") == "8\n");
}

TEST_CASE("sim: defect 4: of eight GPUs of one model only the one that is asked for moves") {
  SimulatedServer server("h100-sxm8.yaml");
  server.gpu("0000:43:00.0").apply();
  for (const std::string& address : h100_gpus) {
    CHECK(server.driver(address) == (address == "0000:43:00.0" ? "vfio-pci" : "nvidia"));
  }
}

TEST_CASE("sim: the boot display and a network card are never taken for GPUs") {
  SimulatedServer server("h100-sxm8.yaml");
  server.spec.gpus[0].address = *parse_bdf("0000:03:00.0");
  server.spec.gpu_device_ids.clear();
  const auto results = server.gpu("0000:03:00.0").check();
  CHECK(check_named(results, "boot-display").status == CheckStatus::fail);
  CHECK(check_named(results, "iommu-group").status == CheckStatus::pass);  // only a bridge is in it
  server.spec.gpus[0].address = *parse_bdf("0000:1f:00.0");
  CHECK(check_named(server.gpu("0000:1f:00.0").check(), "is-display-class").found ==
        "0000:1f:00.0 is Ethernet controller (class 0x020000)");
}

TEST_CASE("sim: on the busy server both held GPUs are named, with what holds them") {
  SimulatedServer server("busy.yaml");
  CHECK(problems(server.gpu("0000:3a:00.0").check()) ==
        "fail in-use: GPU 0000:3a:00.0 is held by python3 (pid 4242, unit training.service) | "
        "add training.service to host.stop_services, or stop it");
  CHECK(problems(server.gpu("0000:90:00.0").check()) ==
        "fail in-use: GPU 0000:90:00.0 is held by nvidia-persiste (pid 1822, unit nvidia-persistenced.service) | "
        "add nvidia-persistenced.service to host.stop_services, or stop it");
  CHECK(problems(server.gpu("0000:0a:00.0").check()).empty());
}

TEST_CASE("sim: a listed service is stopped for its GPU and runs again afterwards, with the GPU open") {
  SimulatedServer server("busy.yaml");
  server.spec.host.stop_services = {"nvidia-persistenced"};
  GpuRig gpu = server.gpu("0000:90:00.0");
  CHECK(problems(gpu.check()).empty());
  gpu.apply();
  CHECK(server.driver("0000:90:00.0") == "vfio-pci");
  gpu.undo();
  CHECK(server.driver("0000:90:00.0") == "nvidia");
  server.spec.host.stop_services.clear();
  REQUIRE_THAT(problems(server.gpu("0000:90:00.0").check()), contains("held by nvidia-persiste (pid 1822"));
  CHECK(server.host->files().kind("/run/gpuplan") == FileKind::none);
}

TEST_CASE("sim: vfio-bind killed at every call is taken back by undo and completed by apply") {
  std::int64_t calls = 0;
  {
    SimulatedServer server("busy.yaml");
    server.spec.host.stop_services = {"nvidia-persistenced"};
    GuardedHost guarded(*server.host, {});
    const auto host = guarded.for_resource("vfio-bind/0000:90:00.0");
    server.gpu("0000:90:00.0", *host).apply();
    calls = guarded.mutating_calls();
  }
  REQUIRE(calls >= 8);
  for (std::int64_t call = 1; call <= calls; ++call) {
    for (const bool completes : {true, false}) {
      CAPTURE(call, completes);
      SimulatedServer server("busy.yaml");
      server.spec.host.stop_services = {"nvidia-persistenced"};
      std::vector<Fault> faults;  // from that call on nothing works any more
      for (std::int64_t next = call; next < call + 20; ++next) {
        Fault fault;
        fault.call = next;
        faults.push_back(fault);
      }
      GuardedHost guarded(*server.host, faults);
      const auto host = guarded.for_resource("vfio-bind/0000:90:00.0");
      GpuRig broken = server.gpu("0000:90:00.0", *host);
      CHECK_THROWS_AS(broken.apply(), HostError);
      GpuRig gpu = server.gpu("0000:90:00.0");
      gpu.owned = true;
      gpu.change = broken.change;
      gpu.captured = gpu.origin = broken.origin;
      if (completes) {
        gpu.apply();
        CHECK(gpu.plan().action == Action::none);
        gpu.withdraw();
      } else {
        gpu.undo();
      }
      gpu.owned = false;
      CHECK(gpu.observe().attributes == broken.change.before.attributes);
      server.spec.host.stop_services.clear();
      REQUIRE_THAT(problems(gpu.check()), contains("held by nvidia-persiste (pid 1822"));
      CHECK(server.host->files().kind("/run/gpuplan") == FileKind::none);
    }
  }
}

TEST_CASE("sim: a hang during the unbind asks for a reboot and names the GPU") {
  SimulatedServer server("h100-sxm8.yaml");
  Fault fault;
  fault.effect = FaultEffect::hang;
  fault.address = "vfio-bind/0000:0a:00.0";
  GuardedHost guarded(*server.host, {fault});
  const auto host = guarded.for_resource(fault.address);
  GpuRig gpu = server.gpu("0000:0a:00.0", *host);
  const HostError error = host_error_of([&] { gpu.apply(); });
  CHECK(error.kind() == HostError::Kind::timed_out);
  REQUIRE_THAT(std::string(error.what()), contains("0000:0a:00.0 hangs: "));
  REQUIRE_THAT(std::string(error.what()), contains("reboot this host"));
}

namespace {

std::string content(Host& host, const std::string& path) {
  return host.files().kind(path) == FileKind::none ? "" : host.files().read(path);
}

constexpr const char* unit = "/etc/systemd/system/gpuplan-vfio-0000:0a:00.0.service";
constexpr const char* saved_override = "/etc/driverctl.d/pci-0000:0a:00.0";

}  // namespace

TEST_CASE("sim: a binding that is to last is made by a unit, and ends with it") {
  SimulatedServer server("h100-sxm8.yaml", "driverctl");
  server.spec.host.persist_bindings = true;
  GpuRig gpu = server.gpu(h100_gpus[0]);
  const Change change = gpu.plan();
  CHECK(change.action == Action::create);
  CHECK(change.notes.front() == "is bound again at each boot, before other drivers and libvirt start");
  gpu.apply();
  CHECK(server.driver(h100_gpus[0]) == "vfio-pci");
  CHECK_THAT(content(*server.host, unit), contains("Before=systemd-udev-trigger.service libvirtd.service"));
  CHECK_THAT(content(*server.host, unit), contains("vfio 0000:0a:00.0\n"));
  CHECK(server.host->query({{"systemctl", "is-enabled", "gpuplan-vfio-0000:0a:00.0.service"}}).ok());
  CHECK(gpu.plan().action == Action::none);

  SECTION("somebody disabled it: it is enabled again") {
    server.host->run({{"systemctl", "disable", "gpuplan-vfio-0000:0a:00.0.service"}});
    const Change again = gpu.plan();
    REQUIRE(again.action == Action::update);
    CHECK(again.attributes.front().name == "at_boot");
    gpu.apply();
    CHECK(gpu.plan().action == Action::none);
  }
  SECTION("undone") {
    gpu.undo();
    CHECK(server.driver(h100_gpus[0]) == "nvidia");
    CHECK(content(*server.host, unit).empty());
  }
  SECTION("undone after a reboot, which has left the unit active") {
    const Command is_active{{"systemctl", "is-active", "gpuplan-vfio-0000:0a:00.0.service"}};
    server.host->run({{"systemctl", "start", "gpuplan-vfio-0000:0a:00.0.service"}});
    REQUIRE(server.host->query(is_active).ok());
    gpu.undo();
    CHECK_FALSE(server.host->query(is_active).ok());
  }
  SECTION("the spec wants it no more: the GPU stays") {
    const Prior before = gpu.prior();
    server.spec.host.persist_bindings = false;
    const Resource resource = gpu.resource();
    gpu.change = gpu.kind().compare(resource, gpu.kind().observe(resource, before, *server.host), before);
    REQUIRE(gpu.change.action == Action::update);
    CHECK(gpu.change.reasons.back() == "`host.persist_bindings` is no longer true");
    gpu.captured = gpu.kind().capture(gpu.change, *server.host);
    gpu.apply_captured();
    CHECK(content(*server.host, unit).empty());
    CHECK(server.driver(h100_gpus[0]) == "vfio-pci");
  }
}

TEST_CASE("sim: where driverctl is installed, it keeps the binding; an override of the user's own is not ours") {
  SimulatedServer server("h100-sxm8.yaml");  // has the package
  GpuRig gpu = server.gpu(h100_gpus[0]);
  SECTION("saved and forgotten") {
    server.spec.host.persist_bindings = true;
    gpu.plan();
    gpu.apply();
    CHECK(content(*server.host, saved_override) == "vfio-pci\n");
    CHECK(content(*server.host, unit).empty());
    gpu.undo();
    CHECK(content(*server.host, saved_override).empty());
  }
  SECTION("kept") {
    server.host->files().put_file(saved_override, "vfio-pci\n", 0644);
    gpu.plan();
    gpu.apply();
    CHECK(gpu.plan().action == Action::none);
    gpu.undo();
    CHECK(content(*server.host, saved_override) == "vfio-pci\n");
  }
}
