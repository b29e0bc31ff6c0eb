// How vfio-bind takes a GPU and gives it back, on a bus that behaves as the kernel's.
#include "host/xml/domain_xml.h"
#include "vfio_bind_rig.h"

using namespace gpuplan;
using namespace gpuplan::test;
using namespace gpuplan::test::one_gpu;

TEST_CASE("vfio-bind plans what it will do to the driver") {
  BoundHost host;
  host.add_audio();
  const Change change = host.gpu.plan();
  CHECK(change.action == Action::create);
  CHECK(change.reasons == std::vector<std::string>{"`driver` is nvidia, snd_hda_intel, the spec says vfio-pci"});
  REQUIRE(change.attributes.size() == 1);
  CHECK(change.attributes[0] == AttributeChange{"driver", std::string("nvidia, snd_hda_intel"), std::string("vfio-pci"),
                                                true, false, false});
  CHECK(change.notes == std::vector<std::string>{"0000:0a:00.1 travels along"});
  CHECK(change.reversible());
  CHECK(change.before.attributes.list("functions") == std::vector<std::string>{address, audio});
  CHECK(change.before.read_from.at("driver") == device + "/driver");
}

TEST_CASE("vfio-bind follows the procedure in its order and nothing more") {
  BoundHost host;
  host.gpu.apply();
  CHECK(host.host.changes == std::vector<std::string>{
            "write " + lock + " 1", "write " + device + "/driver_override vfio-pci\n",
            "write " + device + "/driver/unbind 0000:0a:00.0", "write /sys/bus/pci/drivers_probe 0000:0a:00.0"});
  CHECK(host.gpu.observe().exists);
  CHECK(host.gpu.observe().attributes.text("driver") == "vfio-pci");
  CHECK(host.gpu.plan().action == Action::none);
}

TEST_CASE("vfio-bind: applying twice does nothing the second time") {
  BoundHost host;
  host.gpu.apply();
  const std::size_t calls = host.host.calls();
  host.gpu.apply();
  CHECK(host.host.calls() == calls);
}

TEST_CASE("vfio-bind loads vfio-pci if it is not there") {
  BoundHost host;
  host.host.directories.erase("/sys/bus/pci/drivers/vfio-pci");
  CHECK(host_error_of([&] { host.gpu.apply(); }).subject() == "modprobe vfio-pci");
  CHECK(host.bus.driver(address) == "nvidia");
  host.host.commands["modprobe vfio-pci"] = {};
  host.gpu.apply();
  CHECK(host.host.changed("run modprobe vfio-pci"));
  CHECK(host.bus.driver(address) == "vfio-pci");
}

TEST_CASE("defect 4: new_id claims every GPU of the model; gpuplan binds the one it was told") {
  BoundHost host;
  host.bus.add({"0000:18:00.0"});
  host.gpu.apply();
  CHECK(host.bus.driver(address) == "vfio-pci");
  CHECK(host.bus.driver("0000:18:00.0") == "nvidia");
  CHECK_FALSE(host.host.changed("new_id"));
  CHECK_FALSE(host.host.changed("rmmod"));
  CHECK_FALSE(host.host.changed("modprobe -r"));
}

TEST_CASE("defect 6: restore clears driver_override before probing") {
  BoundHost host;
  host.gpu.apply();
  host.host.changes.clear();
  host.gpu.undo();
  CHECK(host.host.changes == std::vector<std::string>{"write " + device + "/driver/unbind 0000:0a:00.0",
                                                      "write " + device + "/driver_override \n",
                                                      "write /sys/bus/pci/drivers_probe 0000:0a:00.0"});
  CHECK(host.bus.driver(address) == "nvidia");
  CHECK(host.bus.override_of(address) == "(null)\n");
}

TEST_CASE("defect 2: a failure half way through a slot leaves nothing half bound") {
  BoundHost host;
  host.add_audio();
  host.bus.refusing = "vfio-pci";
  const HostError error = host_error_of([&] { host.gpu.apply(); });
  CHECK(std::string(error.what()) ==
        "0000:0a:00.0 has no driver after /sys/bus/pci/drivers_probe was told to bind it to vfio-pci; `dmesg` says why; "
        "0000:0a:00.0 has nvidia again");
  CHECK(host.bus.driver(address) == "nvidia");
  CHECK(host.bus.driver(audio) == "snd_hda_intel");
  CHECK(host.bus.override_of(address) == "(null)\n");
}

TEST_CASE("vfio-bind: the whole slot travels, there and back") {
  BoundHost host;
  host.add_audio();
  host.gpu.apply();
  CHECK(host.bus.driver(audio) == "vfio-pci");
  CHECK(host.gpu.observe().attributes.text("driver") == "vfio-pci");
  host.gpu.undo();
  CHECK(host.bus.driver(address) == "nvidia");
  CHECK(host.bus.driver(audio) == "snd_hda_intel");
}

TEST_CASE("vfio-bind gives a function without a driver back without one") {
  BoundHost host;
  host.bus.add({audio, "0x10de", "0x22ba", "0x040300", ""});
  host.gpu.apply();
  CHECK(host.bus.driver(audio) == "vfio-pci");
  host.gpu.undo();
  CHECK(host.bus.driver(audio).empty());
  CHECK(host.bus.override_of(audio) == "(null)\n");
}

TEST_CASE("vfio-bind leaves alone what was on vfio-pci before") {
  BoundHost host;
  MemoryFunction function{"0000:18:00.0"};
  function.driver = "vfio-pci";
  host.bus.add(function);
  declare_used_gpu(host.spec, "0000:18:00.0");
  const GpuRig other{host.host, host.spec, "0000:18:00.0", {}, {}, {}, false, {}};
  CHECK(other.plan().action == Action::none);
}

TEST_CASE("vfio-bind half done is visible, and only for whom it belongs to") {
  BoundHost host;
  host.host.contents[device + "/driver_override"] = "vfio-pci\n";
  CHECK(host.gpu.observe().attributes.text("driver") == "nvidia (driver_override vfio-pci)");
  CHECK_FALSE(host.gpu.observe().exists);
  host.gpu.owned = true;
  CHECK(host.gpu.observe().exists);
  CHECK(host.gpu.plan().action == Action::update);
  host.host.links.erase(device + "/driver");
  CHECK(host.gpu.observe().attributes.text("driver") == "none (driver_override vfio-pci)");
}

TEST_CASE("vfio-bind killed at any call is completed by apply and taken back by undo") {
  std::size_t calls = 0;
  {
    BoundHost host;
    host.add_audio();
    host.run_persistenced({address});
    host.gpu.apply();
    calls = host.host.calls();
  }
  REQUIRE(calls > 8);
  for (std::size_t call = 1; call <= calls; ++call) {
    for (const bool completes : {true, false}) {
      CAPTURE(call, completes);
      BoundHost host;
      host.add_audio();
      host.run_persistenced({address});
      host.host.fail_from = call;
      CHECK_THROWS_AS(host.gpu.apply(), HostError);
      host.host.fail_from = 0;
      if (completes) {
        host.gpu.apply();
        CHECK(host.gpu.plan().action == Action::none);
        CHECK(host.bus.driver(audio) == "vfio-pci");
        host.gpu.withdraw();
      } else {
        host.gpu.undo();
      }
      CHECK(host.bus.driver(address) == "nvidia");
      CHECK(host.bus.driver(audio) == "snd_hda_intel");
      CHECK(host.bus.override_of(address) == "(null)\n");
      CHECK(host.bus.override_of(audio) == "(null)\n");
      CHECK(host.host.contents.at(lock) == "0\n");
      CHECK(host.is_held());
      CHECK(host.host.contents.count("/run/gpuplan/stopped-services/nvidia-persistenced.service") == 0);
      CHECK(host.host.directories.count("/run/gpuplan/stopped-services") == 0);
    }
  }
}

TEST_CASE("vfio-bind: undo killed at any call is completed by undo") {
  for (std::size_t call = 1; call <= 12; ++call) {
    CAPTURE(call);
    BoundHost host;
    host.add_audio();
    host.run_persistenced({address});
    host.gpu.apply();
    host.host.fail_from = host.host.calls() + call;
    try {
      host.gpu.undo();
    } catch (const HostError&) {
    }
    host.host.fail_from = 0;
    host.gpu.undo();
    CHECK(host.bus.driver(address) == "nvidia");
    CHECK(host.bus.driver(audio) == "snd_hda_intel");
    CHECK(host.is_held());
  }
}

TEST_CASE("vfio-bind: a single failed call gives the GPU back before it is reported") {
  std::size_t calls = 0;
  {
    BoundHost host;
    host.gpu.apply();
    calls = host.host.calls();
  }
  for (std::size_t call = 1; call <= calls; ++call) {
    CAPTURE(call);
    BoundHost host;
    host.host.fail_at = call;
    const HostError error = host_error_of([&] { host.gpu.apply(); });
    REQUIRE_THAT(std::string(error.what()), contains("; 0000:0a:00.0 has nvidia again"));
    CHECK(host.bus.driver(address) == "nvidia");
    CHECK(host.bus.override_of(address) == "(null)\n");
    CHECK(host.host.contents.at(lock) == "0\n");
  }
}

TEST_CASE("vfio-bind never unbinds a GPU that somebody has open") {
  BoundHost host;
  host.gpu.capture();
  host.bus.hold(address, 4242, "python3", "/system.slice/training.service");
  const HostError error = host_error_of([&] { host.gpu.apply_captured(); });
  CHECK(error.kind() == HostError::Kind::busy);
  CHECK(std::string(error.what()) == "0000:0a:00.0 is still held by python3 (pid 4242, unit training.service) after 60s; "
                                     "add training.service to host.stop_services, or stop it, then run gpuplan again; more "
                                     "time: `timeouts: {unbind: 2m}` in the spec");
  CHECK(host.host.changes.empty());
}

TEST_CASE("vfio-bind: the nvidia driver that keeps its lock is left alone") {
  BoundHost host;
  host.host.on_write = [&host](const std::string& path, const std::string& content) {
    if (path != lock) host.host.contents[path] = content;  // the lock never becomes 1
  };
  const HostError error = host_error_of([&] { host.gpu.apply(); });
  CHECK(error.kind() == HostError::Kind::busy);
  REQUIRE_THAT(std::string(error.what()),
               contains("the nvidia driver does not let go of 0000:0a:00.0: no process has it open, so a part of the kernel "
                        "does"));
  REQUIRE_THAT(std::string(error.what()), contains("or reboot this host; 0000:0a:00.0 has nvidia again"));
  CHECK_FALSE(host.host.changed("unbind 0000"));
}

TEST_CASE("vfio-bind: a driver build without the lock is unbound after a last look") {
  BoundHost host;
  host.host.contents.erase(lock);
  host.gpu.apply();
  CHECK(host.bus.driver(address) == "vfio-pci");
  CHECK_FALSE(host.host.changed("unbindLock"));
}

TEST_CASE("vfio-bind: an unbind that hangs names the GPU and asks for a reboot") {
  BoundHost host;
  host.bus.hanging.insert(address);
  const HostError error = host_error_of([&] { host.gpu.apply(); });
  CHECK(error.kind() == HostError::Kind::timed_out);
  CHECK(std::string(error.what()) ==
        "0000:0a:00.0 hangs: cannot write " + device + "/driver/unbind: no answer within 60 s; the call may still be stuck "
        "in the kernel; nothing can end that, so reboot this host, then run `gpuplan apply` or `gpuplan rollback` again");
  CHECK(host.host.changes.back() == "write " + device + "/driver/unbind 0000:0a:00.0");  // nothing more was tried
}

TEST_CASE("vfio-bind: a read that hangs is named the same way") {
  BoundHost host;
  host.gpu.capture();
  host.host.broken[device + "/driver"] = HostError::Kind::timed_out;
  const HostError error = host_error_of([&] { host.gpu.apply_captured(); });
  CHECK(error.kind() == HostError::Kind::timed_out);
  REQUIRE_THAT(std::string(error.what()), contains("0000:0a:00.0 hangs: cannot use " + device + "/driver"));
  REQUIRE_THAT(std::string(error.what()), contains("reboot this host"));
}

TEST_CASE("vfio-bind: a GPU that has gone") {
  BoundHost host;
  host.gpu.apply();
  SECTION("undo has nothing to give back") {
    for (auto* entries : {&host.host.contents, &host.host.links}) {
      for (auto entry = entries->begin(); entry != entries->end();) {
        entry = entry->first.rfind(device, 0) == 0 ? entries->erase(entry) : std::next(entry);
      }
    }
    host.gpu.undo();
    CHECK_FALSE(host.gpu.observe().exists);
    const HostError error = host_error_of([&] { host.gpu.apply_captured(); });
    CHECK(error.kind() == HostError::Kind::not_found);
    CHECK(std::string(error.what()) == "0000:0a:00.0 is not on this host any more; look for it with `gpuplan discover`");
  }
  SECTION("its old driver too") {
    host.bus.refusing = "nvidia";
    host.host.directories.erase("/sys/bus/pci/drivers/nvidia");
    const HostError error = host_error_of([&] { host.gpu.undo(); });
    CHECK(std::string(error.what()) == "0000:0a:00.0 did not go back to nvidia: it has no driver; that driver is not loaded, "
                                       "`modprobe nvidia` loads it");
  }
}

TEST_CASE("vfio-bind does not pull a GPU from under a running VM") {
  BoundHost host;
  host.gpu.apply();
  DomainDefinition definition;
  definition.name = "gpu-worker-1";
  definition.memory_mib = 1024;
  definition.cpus = 1;
  definition.devices.push_back(*parse_bdf(address));
  host.host.domain_states.push_back({"gpu-worker-1", "", PowerState::running, false, render_domain(definition)});
  const HostError error = host_error_of([&] { host.gpu.withdraw(); });
  CHECK(error.kind() == HostError::Kind::busy);
  REQUIRE_THAT(std::string(error.what()), contains("0000:0a:00.0 is still held by the VM gpu-worker-1 after 60s; shut that down"));
  CHECK(host.bus.driver(address) == "vfio-pci");
}

TEST_CASE("vfio-bind: withdraw goes back to what the GPU came from, and can itself be undone") {
  BoundHost host;
  host.gpu.apply();
  host.gpu.withdraw();
  CHECK(host.bus.driver(address) == "nvidia");
  host.gpu.undo(Stage::withdraw);
  CHECK(host.bus.driver(address) == "vfio-pci");
}

TEST_CASE("vfio-bind depends on iommu-check alone") {
  BoundHost host;
  const Resource resource = host.gpu.resource();
  CHECK(resource.address.to_string() == "vfio-bind/0000:0a:00.0");
  CHECK(resource.depends_on == std::vector<Address>{Address("iommu-check", "host")});
  CHECK(resource.declared.text("driver") == "vfio-pci");
  CHECK(resource.lives_in.empty());
}

TEST_CASE("the plan of a removal does not say that the GPU ends without a driver") {
  BoundHost host;
  host.gpu.apply();
  const Change removal = host.gpu.removal();
  const auto driver = std::find_if(removal.attributes.begin(), removal.attributes.end(),
                                   [](const AttributeChange& item) { return item.name == "driver"; });
  REQUIRE(driver != removal.attributes.end());
  CHECK_FALSE(driver->known);
  CHECK(removal.notes == std::vector<std::string>{"returns to the driver that it had before gpuplan took it"});
  host.gpu.withdraw();
  CHECK(host.bus.driver(address) == "nvidia");
}
