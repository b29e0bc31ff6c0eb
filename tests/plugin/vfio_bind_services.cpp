// How vfio-bind deals with the services that have a GPU open, and with persistence mode.
#include "vfio_bind_rig.h"

using namespace gpuplan;
using namespace gpuplan::test;
using namespace gpuplan::test::one_gpu;

TEST_CASE("vfio-bind stops only listed services that hold the GPU") {
  BoundHost host;
  host.run_persistenced({address});
  host.spec.host.stop_services.push_back("dcgm");
  host.gpu.apply();
  CHECK(host.host.changed("run systemctl stop nvidia-persistenced.service"));
  CHECK_FALSE(host.host.changed("dcgm"));
  CHECK_FALSE(host.is_held());
  host.gpu.undo();
  CHECK(host.host.changed("run systemctl start nvidia-persistenced.service"));
  CHECK(host.is_held());
}

TEST_CASE("vfio-bind: a service that holds two GPUs starts again when the last of them is back") {
  BoundHost host;
  GpuRig other = host.second();
  host.run_persistenced({address, "0000:18:00.0"});
  host.gpu.withdrawn = other.withdrawn = {"vfio-bind/" + address, "vfio-bind/0000:18:00.0"};
  host.gpu.apply();
  other.apply();  // sees no service any more
  const bool first_goes_first = GENERATE(true, false);
  (first_goes_first ? host.gpu : other).undo();
  CHECK_FALSE(host.host.changed("systemctl start"));
  (first_goes_first ? other : host.gpu).undo();
  CHECK(host.host.changed("run systemctl start nvidia-persistenced.service"));
  CHECK(host.host.links.count("/proc/812/fd/3") == 1);
  CHECK(host.host.links.count("/proc/812/fd/4") == 1);
}

TEST_CASE("vfio-bind: if only one of two GPUs comes back, the service does not wait for the other") {
  BoundHost host;
  GpuRig other = host.second();
  host.run_persistenced({address, "0000:18:00.0"});
  host.gpu.apply();
  other.apply();
  host.gpu.withdrawn = {"vfio-bind/" + address};
  host.gpu.withdraw();
  CHECK(host.host.changed("run systemctl start nvidia-persistenced.service"));
  CHECK(host.host.contents.at("/run/gpuplan/stopped-services/nvidia-persistenced.service") == "0000:18:00.0\n");
  other.withdrawn = {"vfio-bind/0000:18:00.0"};
  other.withdraw();
  CHECK(host.host.changed("run systemctl restart nvidia-persistenced.service"));
  CHECK(host.host.contents.count("/run/gpuplan/stopped-services/nvidia-persistenced.service") == 0);
}

TEST_CASE("vfio-bind: persistence mode is switched off and on again") {
  BoundHost host;
  const std::string smi = "nvidia-smi -i 0000:0a:00.0 ";
  host.host.commands[smi + "--query-gpu=persistence_mode --format=csv,noheader"] = {0, "Enabled\n", ""};
  host.host.commands[smi + "-pm 0"] = {};
  host.host.commands[smi + "-pm 1"] = {};
  host.gpu.apply();
  CHECK(host.host.changes.front() == "run " + smi + "-pm 0");
  host.gpu.undo();
  CHECK(host.host.changes.back() == "run " + smi + "-pm 1");
}

TEST_CASE("vfio-bind waits for a GPU that is about to be free") {
  BoundHost host;
  host.gpu.capture();
  host.spec.host.stop_services = {"training"};
  host.bus.hold(address, 4242, "python3", "/system.slice/training.service");
  host.host.commands["systemctl stop training.service"] = {};
  host.host.on_run = [&](const std::string&) { host.bus.end_process(4242); };
  host.gpu.apply_captured();
  CHECK(host.bus.driver(address) == "vfio-pci");
}

TEST_CASE("the plan says which services are stopped for a GPU, and started when it comes back") {
  BoundHost host;
  CHECK(host.gpu.plan().notes.empty());
  host.run_persistenced({address});
  host.spec.host.stop_services = {"nvidia-persistenced", "nvidia-fabricmanager"};  // the latter never is
  CHECK(host.gpu.plan().notes == std::vector<std::string>{"stops nvidia-persistenced.service if that has it open; it runs "
                                                          "again when the GPUs are back"});
  CHECK(host.gpu.plan().attributes.size() == 1);
  host.gpu.apply();
  CHECK(host.gpu.plan().action == Action::none);
  CHECK(host.gpu.plan().notes.empty());
  host.spec.host.stop_services.clear();
  CHECK(host.gpu.plan().action == Action::none);  // a permission that goes is no reason to touch the GPU
  host.spec.host.stop_services = {"nvidia-persistenced"};
  const Change removal = host.gpu.removal();
  CHECK(removal.notes == std::vector<std::string>{"returns to the driver that it had before gpuplan took it",
                                                  "starts nvidia-persistenced.service again if it was stopped for it"});
  for (const AttributeChange& attribute : removal.attributes) CHECK(attribute.name != "stop_services");
}
