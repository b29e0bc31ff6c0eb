// What vfio-bind says against taking a GPU.
#include "host/xml/domain_xml.h"
#include "vfio_bind_rig.h"

using namespace gpuplan;
using namespace gpuplan::test;
using namespace gpuplan::test::one_gpu;

namespace {

struct CheckedHost {
  MemoryHost host;
  MemoryPci bus{host};
  Spec spec;
  GpuRig gpu{host, spec, address, {}, {}, {}, false, {}};

  explicit CheckedHost(const MemoryFunction& function = {address}) {
    bus.add(function);
    declare_used_gpu(spec, address);
  }
  CheckResult check(const std::string& name) const { return check_named(gpu.check(), name); }

  void give_to_domain(const std::string& name, const std::string& cluster, PowerState power) {
    DomainDefinition definition;
    definition.name = name;
    definition.owner.cluster = cluster;
    definition.memory_mib = 1024;
    definition.cpus = 1;
    definition.devices.push_back(*parse_bdf(address));
    host.domain_states.push_back({name, "", power, false, render_domain(definition)});
  }
};

void is_failure(const CheckResult& result, const std::string& found, const std::string& remedy) {
  CHECK(result.status == CheckStatus::fail);
  CHECK(result.found == found);
  CHECK(result.remedy == remedy);
  CHECK(result.address.to_string() == "vfio-bind/" + address);
}

}  // namespace

TEST_CASE("vfio-bind: a free GPU passes every check") {
  const CheckedHost host;
  CHECK(problems(host.gpu.check()).empty());
  CHECK(host.check("exists").found == "0000:0a:00.0 is 3D controller 10de:2330");
  CHECK(host.check("bars-assigned").found == "BAR 0 16M, BAR 2 128G");
  CHECK(host.check("numa").found == "NUMA node 0");
  CHECK(host.check("reset-method").found == "flr, bus");
  CHECK(host.host.changes.empty());
}

TEST_CASE("defect 1: a missing device fails, with the GPUs that are there and the one that was meant") {
  CheckedHost host;
  host.bus.add({"0000:18:00.0"});
  host.spec.gpus[0].address = *parse_bdf("0000:0b:00.0");
  host.gpu.address = "0000:0b:00.0";
  const auto results = host.gpu.check();
  REQUIRE(results.size() == 1);
  CHECK(results[0].name == "exists");
  CHECK(results[0].status == CheckStatus::fail);
  CHECK(results[0].found == "there is no PCI device 0000:0b:00.0");
  CHECK(results[0].read_from == "/sys/bus/pci/devices/0000:0b:00.0");
  CHECK(results[0].remedy ==
        "GPUs on this host: 0000:0a:00.0 (10de:2330), 0000:18:00.0 (10de:2330); did you mean 0000:0a:00.0?");
  SECTION("not one that the spec lists already") {
    declare_used_gpu(host.spec, "0000:0a:00.0");
    CHECK(host.gpu.check().front().remedy ==
          "GPUs on this host: 0000:0a:00.0 (10de:2330), 0000:18:00.0 (10de:2330); correct `gpus`, or let `gpuplan init` "
          "write a spec for this host");
  }
  SECTION("nor one that is more than a slip of the finger away") {
    host.spec.gpus[0].address = *parse_bdf("0000:0b:01.0");
    host.gpu.address = "0000:0b:01.0";
    CHECK_THAT(host.gpu.check().front().remedy, contains("; correct `gpus`"));
  }
  SECTION("nor the boot display, which may be the only one") {
    host.bus.remove("0000:18:00.0");
    host.host.contents[device + "/boot_vga"] = "1\n";
    CHECK(host.gpu.check().front().remedy ==
          "the only GPU of this host is the one it boots on (0000:0a:00.0), which cannot be given away");
    host.host.contents[device + "/class"] = "0x020000\n";
    CHECK(host.gpu.check().front().remedy == "this host has no GPU at all; see `gpuplan discover --all`");
  }
}

TEST_CASE("defect 5: the rest of the IOMMU group is looked at") {
  CheckedHost host;
  host.bus.add({"0000:09:00.0", "0x8086", "0x1234", "0x060400", "pcieport"});  // bridges do not count
  SECTION("a disk in use") {
    host.bus.add({"0000:0b:00.0", "0x144d", "0xa80a", "0x010802", "nvme"});
    is_failure(host.check("iommu-group"), "IOMMU group 30 also holds 0000:0b:00.0 (NVMe disk, driver nvme)",
               "a group can only be given away as a whole: switch on ACS in the firmware or move the card to another slot");
    CHECK(host.check("iommu-group").read_from == "/sys/kernel/iommu_groups/30/devices");
  }
  SECTION("a network card") {
    host.bus.add({"0000:0b:00.0", "0x8086", "0x1572", "0x020000", "i40e"});
    host.host.contents["/sys/bus/pci/devices/0000:0b:00.0/net/eno1/mtu"] = "1500\n";
    host.bus.add({"0000:0b:00.1", "0x8086", "0x1572", "0x020000", "i40e"});
    CHECK(host.check("iommu-group").found ==
          "IOMMU group 30 also holds 0000:0b:00.0 (Ethernet controller, driver i40e, interface eno1), "
          "0000:0b:00.1 (Ethernet controller, driver i40e)");
  }
  SECTION("a device without a driver, or on vfio-pci") {
    host.bus.add({"0000:0b:00.0", "0x144d", "0xa80a", "0x010802", ""});
    host.bus.add({"0000:0c:00.0", "0x144d", "0xa80a", "0x010802", "vfio-pci"});
    CHECK(host.check("iommu-group").status == CheckStatus::pass);
  }
  SECTION("another GPU of the spec, for the same worker and for another") {
    host.bus.add({"0000:0b:00.0"});
    is_failure(host.check("iommu-group"), "IOMMU group 30 also holds 0000:0b:00.0 (3D controller, driver nvidia)",
               "a group can only be given away as a whole: list 0000:0b:00.0 in `gpus` and give it to the same worker, or "
               "switch on ACS in the firmware or move the card to another slot");
    declare_used_gpu(host.spec, "0000:0b:00.0");
    host.spec.workers.resize(2);
    host.spec.workers[0].name = "gpu-worker-1";
    host.spec.workers[0].gpu_indexes = {0, 1};
    host.spec.workers[1].name = "gpu-worker-2";
    CHECK(host.check("iommu-group").status == CheckStatus::pass);
    host.spec.workers[0].gpu_indexes = {0};
    host.spec.workers[1].gpu_indexes = {1};
    is_failure(host.check("iommu-group"), "IOMMU group 30 holds 0000:0a:00.0 for gpu-worker-1 and 0000:0b:00.0 for gpu-worker-2",
               "a group can only go to one VM: assign these GPUs to the same worker");
  }
}

TEST_CASE("vfio-bind: of bridges in the group only those may have a driver that vfio shares a group with") {
  CheckedHost host;
  struct Member {
    const char* class_code;
    const char* driver;
    bool passes;
  };
  for (const Member& member : std::vector<Member>{{"0x060400", "", true}, {"0x060400", "pcieport", true},
                                                  {"0x060400", "shpchp", false}, {"0x060000", "", true},
                                                  {"0x060100", "lpc_ich", false}, {"0x068000", "hwmon_bridge", false},
                                                  {"0x088000", "pci-stub", true}, {"0x020000", "mlx5_vfio_pci", true}}) {
    CAPTURE(member.class_code, member.driver);
    host.bus.add({"0000:00:1f.0", "0x8086", "0xa305", member.class_code, member.driver});
    CHECK((host.check("iommu-group").status == CheckStatus::pass) == member.passes);
    host.bus.remove("0000:00:1f.0");
  }
  host.bus.add({"0000:00:1f.0", "0x8086", "0xa305", "0x060100", "lpc_ich"});
  is_failure(host.check("iommu-group"), "IOMMU group 30 also holds 0000:00:1f.0 (ISA bridge, driver lpc_ich)",
             "a group can only be given away as a whole: switch on ACS in the firmware or move the card to another slot");
}

TEST_CASE("vfio-bind: a GPU in no group") {
  MemoryFunction function{address};
  function.group = -1;
  const CheckedHost host(function);
  is_failure(host.check("iommu-group"), "0000:0a:00.0 is in no IOMMU group",
             "see the checks of iommu-check/host: the IOMMU must be on");
}

TEST_CASE("vfio-bind: functions of the slot travel along") {
  CheckedHost host;
  host.bus.add({"0000:0a:00.1", "0x10de", "0x22ba", "0x040300", "snd_hda_intel"});
  CHECK(problems(host.gpu.check()).empty());
  CHECK(host.check("audio-function").found ==
        "the slot's other functions travel along: 0000:0a:00.1 (Audio device, driver snd_hda_intel)");
  host.spec.gpus[0].audio = parse_bdf("0000:0a:00.1");
  CHECK(host.check("audio-function").found == "0000:0a:00.1 (Audio device, driver snd_hda_intel) travels along");
  host.spec.gpus[0].audio = parse_bdf("0000:0a:00.2");
  is_failure(host.check("audio-function"), "there is no PCI device 0000:0a:00.2",
             "correct audio_address or leave it out: the slot's functions travel along anyway");
  host.bus.add({"0000:0b:00.1", "0x10de", "0x22ba", "0x040300", ""});
  host.spec.gpus[0].audio = parse_bdf("0000:0b:00.1");
  is_failure(host.check("audio-function"), "0000:0b:00.1 (Audio device, no driver) is not in the slot of 0000:0a:00.0",
             "audio_address must name a function of the same card");
}

TEST_CASE("vfio-bind: what the device is") {
  CheckedHost host;
  SECTION("not a display controller") {
    host.host.contents[device + "/class"] = "0x068000\n";
    is_failure(host.check("is-display-class"), "0000:0a:00.0 is NVSwitch (class 0x068000)",
               "take this address out of `gpus`: NVSwitches stay with the host, and a VM with all GPUs of a partition has NVLink "
               "all the same (docs/hardware.md)");
    host.host.contents[device + "/class"] = "0x020000\n";
    is_failure(host.check("is-display-class"), "0000:0a:00.0 is Ethernet controller (class 0x020000)",
               "only display controllers (class 0x0300, 0x0302, 0x0380) and accelerators (0x1200) can be listed in `gpus`");
  }
  SECTION("another model") {
    host.spec.gpu_device_ids = {{0x10de, 0x2335}, {0x10de, 0x2336}};
    is_failure(host.check("device-id"), "0000:0a:00.0 is 10de:2330, gpu_device_ids allows 10de:2335, 10de:2336",
               "add 10de:2330 to gpu_device_ids if this card is meant");
    host.host.contents[device + "/boot_vga"] = "1\n";
    CHECK(host.check("device-id").remedy == "take it out of `gpus`: see boot-display");
    host.spec.gpu_device_ids.push_back({0x10de, 0x2330});
    CHECK(host.check("device-id").status == CheckStatus::pass);
  }
  SECTION("the boot display") {
    host.host.contents[device + "/boot_vga"] = "1\n";
    is_failure(host.check("boot-display"), "0000:0a:00.0 is the display that this host boots on",
               "choose another primary display in the firmware, or take this GPU out of `gpus`");
  }
  SECTION("virtual functions") {
    host.host.contents[device + "/sriov_numvfs"] = "2\n";
    is_failure(host.check("sriov"), "0000:0a:00.0 has 2 virtual functions",
               "stop what uses them, then `echo 0 > /sys/bus/pci/devices/0000:0a:00.0/sriov_numvfs`");
  }
  SECTION("no reset") {
    host.host.contents.erase(device + "/reset_method");
    CHECK(host.check("reset-method").status == CheckStatus::fail);
    CHECK(host.check("reset-method").found == "0000:0a:00.0 has no reset method");
    host.bus.add({"0000:0a:00.1", "0x10de", "0x10f0", "0x040300", "snd_hda_intel"});
    CHECK(host.check("reset-method").status == CheckStatus::warn);
    CHECK(host.check("reset-method").found ==
          "0000:0a:00.0 cannot be reset by itself, only together with its card's other functions");
  }
  SECTION("a BAR without an address, and none at all") {
    host.host.contents[device + "/resource"] = "0x0 0xffffff 0x14220c\n";
    is_failure(host.check("bars-assigned"), "BAR 0 (16M) of 0000:0a:00.0 has no address",
               "switch on \"Above 4G Decoding\" in the firmware and reboot");
    host.host.contents[device + "/resource"] = "0x0 0x0 0x0\n";
    CHECK(host.check("bars-assigned").found == "0000:0a:00.0 has no BARs");
  }
  SECTION("an unknown NUMA node is no problem") {
    host.host.contents[device + "/numa_node"] = "-1\n";
    CHECK(host.check("numa").found == "NUMA node unknown");
    CHECK(host.check("numa").status == CheckStatus::pass);
  }
  SECTION("a framebuffer on it") {
    host.host.contents["/proc/iomem"] = "00001000-0009ffff : System RAM\n  382000000000-3820007fffff : efifb\n";
    const CheckResult result = host.check("framebuffer");
    CHECK(result.status == CheckStatus::warn);
    CHECK(result.found == "the framebuffer efifb lies in BAR 2 of 0000:0a:00.0");
    host.host.contents["/proc/iomem"] = "  e0000000-e07fffff : efifb\n";
    CHECK(host.check("framebuffer").status == CheckStatus::pass);
  }
  SECTION("a framebuffer whose place only root may read") {
    host.host.contents["/proc/iomem"] = "00000000-00000000 : System RAM\n    00000000-00000000 : BOOTFB\n";
    const CheckResult result = host.check("framebuffer");
    CHECK(result.status == CheckStatus::warn);
    CHECK(result.found == "whether the framebuffer BOOTFB lies on 0000:0a:00.0 is unknown: its place may not be read");
    CHECK_THAT(result.remedy, contains("run gpuplan as root"));
    host.host.contents["/proc/iomem"] = "00000000-00000000 : System RAM\n";
    CHECK(host.check("framebuffer").status == CheckStatus::pass);
  }
}

TEST_CASE("vfio-bind: a GPU in MIG mode is refused") {
  CheckedHost host;
  const std::string smi = "nvidia-smi -i 0000:0a:00.0 -q";
  CHECK(host.check("mig").status == CheckStatus::pass);  // without nvidia-smi
  const std::string others = "GPU 00000000:0A:00.0\n    Persistence Mode : Enabled\n    Addressing\n        Current : Enabled\n";
  host.host.commands[smi] = {0, others, ""};
  CHECK(host.check("mig").status == CheckStatus::pass);
  host.host.commands[smi].output = others + "    MIG Mode\n        Current                : N/A\n        Pending : N/A\n";
  CHECK(host.check("mig").found == "this GPU has none");
  host.host.commands[smi].output = others + "    MIG Mode\n        Current                : Disabled\n        Pending : Enabled\n";
  CHECK(host.check("mig").status == CheckStatus::pass);
  host.host.commands[smi].output = others + "    MIG Mode\n        Current                : Enabled\n        Pending : Disabled\n";
  is_failure(host.check("mig"), "0000:0a:00.0 is in MIG mode",
             "end what uses its instances, then `nvidia-smi -i 0000:0a:00.0 -mig 0` (on A100 and older also `nvidia-smi -i "
             "0000:0a:00.0 --gpu-reset`)");
}

TEST_CASE("vfio-bind: nouveau is a warning") {
  MemoryFunction function{address};
  function.driver = "nouveau";
  const CheckedHost host(function);
  CHECK(host.check("nouveau").status == CheckStatus::warn);
  CHECK(host.check("nouveau").found == "0000:0a:00.0 is on nouveau");
}

TEST_CASE("vfio-bind: a GPU in use is refused with who uses it") {
  CheckedHost host;
  SECTION("a process") {
    host.bus.hold(address, 4242, "python3", "/user.slice/user-0.slice/session-1.scope");
    is_failure(host.check("in-use"), "GPU 0000:0a:00.0 is held by python3 (pid 4242, unit session-1.scope)",
               "see what it is with `ps -fp 4242`, then end it: `kill 4242`");
    CHECK(host.check("in-use").read_from == "/proc/4242/fd");
  }
  SECTION("a virtual machine that libvirt does not know, which is not to be killed") {
    const std::string remedy = "do not kill it, it is a virtual machine: shut that down from inside, or choose another GPU";
    host.bus.hold(address, 4242, "qemu-system-x86", "/user.slice/user-0.slice/session-1.scope");
    CHECK(host.check("in-use").remedy == remedy);
    host.bus.end_process(4242);
    host.bus.hold(address, 4242, "kvm", "/machine.slice/machine-qemu\\x2d2\\x2dother.scope/libvirt/emulator");
    CHECK(host.check("in-use").remedy == remedy);
  }
  SECTION("a container, whose runtime would start it again") {
    const std::string id(64, 'c');
    const std::string remedy =
        "find the container with `docker ps --no-trunc | grep cccccccccccc` or `crictl ps --no-trunc | grep cccccccccccc` and "
        "stop it there: its runtime may start a process that was ended again";
    for (const std::string& group : {"/docker/" + id, "/system.slice/docker-" + id + ".scope",
                                     "/kubepods.slice/cri-containerd-" + id + ".scope"}) {
      CAPTURE(group);
      host.bus.hold(address, 4242, "python3", group);
      CHECK(host.check("in-use").remedy == remedy);
      host.bus.end_process(4242);
    }
    host.bus.hold(address, 4242, "python3", "/system.slice/docker-short.scope");
    CHECK_THAT(host.check("in-use").remedy, contains("kill 4242"));
  }
  SECTION("a service, unless the spec lists it") {
    host.bus.hold(address, 812, "nvidia-persiste", "/system.slice/nvidia-persistenced.service");
    is_failure(host.check("in-use"),
               "GPU 0000:0a:00.0 is held by nvidia-persiste (pid 812, unit nvidia-persistenced.service)",
               "add nvidia-persistenced.service to host.stop_services, or stop it");
    host.spec.host.stop_services = {"nvidia-persistenced"};
    const CheckResult allowed = host.check("in-use");
    CHECK(allowed.status == CheckStatus::pass);
    CHECK(allowed.found == "held by nvidia-persiste (pid 812, unit nvidia-persistenced.service), which "
                           "host.stop_services allows to stop");
  }
  SECTION("Fabric Manager, even if the spec lists it") {
    host.bus.hold(address, 9, "nv-fabricmanage", "/system.slice/nvidia-fabricmanager.service");
    host.spec.host.stop_services = {"nvidia-fabricmanager.service"};
    CHECK(host.check("in-use").status == CheckStatus::fail);
    REQUIRE_THAT(host.check("in-use").remedy, contains("gpuplan never stops Fabric Manager; set FABRIC_MODE=1"));
  }
  SECTION("processes that cannot be looked into") {
    host.host.contents["/proc/7/comm"] = "x\n";
    host.host.broken["/proc/7/fd"] = HostError::Kind::denied;
    CHECK(host.check("in-use").status == CheckStatus::warn);
    CHECK(host.check("in-use").remedy ==
          "run gpuplan as root; if that is root already, a container or a security module (AppArmor, SELinux) is in the way: run "
          "it outside of that");
  }
}

TEST_CASE("vfio-bind: an nvidia-smi that is only looking, such as gpuplan's own, is waited for") {
  CheckedHost host;
  host.bus.hold(address, 77, "nvidia-smi", "/user.slice/session-1.scope");
  CHECK(host.check("in-use").status == CheckStatus::fail);  // one that stays
  const std::int64_t before = host.host.clock().now();
  host.host.clock().on_sleep = [&] { host.bus.end_process(77); };
  CHECK(host.check("in-use").status == CheckStatus::pass);
  CHECK(host.host.clock().now() - before <= 1);
}

TEST_CASE("vfio-bind: what the host uses of the slot's other functions is named") {
  CheckedHost host;
  const std::string usb = "0000:0a:00.2";
  const std::string below = "../../devices/pci0000:00/0000:00:01.0/0000:0a:00.2/usb3/3-1/";
  host.bus.add({audio, "0x10de", "0x22ba", "0x040300", "snd_hda_intel"});
  host.bus.add({usb, "0x10de", "0x1ad6", "0x0c0330", "xhci_hcd"});
  host.host.directories.insert("/sys/bus/pci/devices/" + audio + "/sound/card1/controlC1");
  host.host.directories.insert("/sys/bus/pci/devices/" + audio + "/sound/card1/pcmC1D3p");
  host.host.links["/sys/class/block/sdb"] = below + "3-1:1.0/host6/target6:0:0/6:0:0:0/block/sdb";
  host.host.links["/sys/class/block/sdb1"] = below + "3-1:1.0/host6/target6:0:0/6:0:0:0/block/sdb/sdb1";
  host.host.links["/sys/class/block/sda1"] = "../../devices/pci0000:00/0000:00:17.0/ata1/host0/block/sda/sda1";
  host.host.links["/sys/class/input/event7"] = below + "3-1.2/3-1.2:1.0/0003:046D:C31C.0004/input/input12/event7";
  host.host.contents["/proc/mounts"] = "/dev/sda1 / ext4 rw 0 0\nproc /proc proc rw 0 0\n";
  host.host.contents["/proc/900/comm"] = "pipewire\n";
  host.host.contents["/proc/900/cgroup"] = "0::/user.slice/user-1000.slice/user@1000.service/session.slice/pipewire.service\n";
  host.host.links["/proc/900/fd/5"] = "/dev/null";
  CHECK(problems(host.gpu.check()).empty());

  SECTION("an open sound card") {
    host.host.links["/proc/900/fd/6"] = "/dev/snd/controlC0";  // another card's
    CHECK(host.check("in-use").status == CheckStatus::pass);
    host.host.links["/proc/900/fd/7"] = "/dev/snd/controlC1";
    is_failure(host.check("in-use"),
               "0000:0a:00.1 (Audio device, driver snd_hda_intel) is held by pipewire (pid 900, unit user@1000.service)",
               "add user@1000.service to host.stop_services, or stop it");
  }
  SECTION("a mounted disk, which is not taken later either") {
    host.host.contents["/proc/mounts"] += "/dev/sdb1 /media/backup ext4 rw 0 0\n";
    is_failure(host.check("in-use"),
               "disk sdb1 on 0000:0a:00.2 (USB controller, driver xhci_hcd) is mounted on /media/backup",
               "unmount sdb1 and whatever stands on it, or plug it in elsewhere");
    CHECK(host.check("in-use").read_from == "/proc/mounts");
    const HostError error = host_error_of([&] { host.gpu.apply(); });
    CHECK(error.kind() == HostError::Kind::busy);
    CHECK_THAT(std::string(error.what()), contains("0000:0a:00.2 is still held by the host: disk sdb1 on it is mounted on "
                                                   "/media/backup"));
    CHECK(host.bus.driver(usb) == "xhci_hcd");
    CHECK(host.bus.driver(address) == "nvidia");
  }
  SECTION("swap space and encrypted disks") {
    host.host.contents["/proc/swaps"] = "Filename Type Size Used Priority\n/dev/sdb1 partition 1 0 -2\n";
    CHECK_THAT(host.check("in-use").found, contains("is swap space"));
    host.host.contents.erase("/proc/swaps");
    host.host.directories.insert("/sys/class/block/sdb1/holders/dm-3");
    CHECK_THAT(host.check("in-use").found, contains("disk sdb1 on 0000:0a:00.2"));
    CHECK_THAT(host.check("in-use").found, contains("is part of dm-3"));
  }
  SECTION("a keyboard is a warning") {
    host.host.links["/proc/900/fd/6"] = "/dev/input/event7";
    const CheckResult result = host.check("in-use");
    CHECK(result.status == CheckStatus::warn);
    CHECK(result.found ==
          "/dev/input/event7 on 0000:0a:00.2 (USB controller, driver xhci_hcd) is used by pipewire (pid 900, unit "
          "user@1000.service)");
  }
}

TEST_CASE("vfio-bind: VMs that have the GPU") {
  CheckedHost host;
  SECTION("a running one of somebody else") {
    host.give_to_domain("windows", "", PowerState::running);
    is_failure(host.check("foreign-domain"),
               "0000:0a:00.0 belongs to the running VM windows, which gpuplan did not make",
               "shut windows down and take the GPU out of it, or list another GPU");
  }
  SECTION("a running one of another cluster of gpuplan's, as one problem") {
    MemoryFunction bound{address};
    bound.driver = "vfio-pci";
    CheckedHost taken(bound);
    taken.host.links["/proc/20001/fd/30"] = "/dev/vfio/30";
    taken.host.contents["/proc/20001/comm"] = "qemu-system-x86\n";
    CHECK_THAT(taken.check("in-use").remedy, contains("do not kill it"));
    taken.give_to_domain("other-w-1", "other", PowerState::running);
    is_failure(taken.check("foreign-domain"), "0000:0a:00.0 belongs to the running VM other-w-1 of gpuplan's cluster other",
               "take the GPU out of the spec of other and apply that, or list another GPU");
    CHECK(taken.check("in-use").status == CheckStatus::pass);
    CHECK(taken.check("in-use").found == "used by the VM other-w-1: see foreign-domain");
  }
  SECTION("one that is off") {
    host.give_to_domain("windows", "other", PowerState::off);
    CHECK(host.check("foreign-domain").status == CheckStatus::warn);
    CHECK(host.check("foreign-domain").found ==
          "0000:0a:00.0 belongs to the defined VM windows of gpuplan's cluster other");
  }
  SECTION("our own") {
    host.give_to_domain("gpu-worker-1", "gpu", PowerState::running);
    CHECK(host.check("foreign-domain").status == CheckStatus::pass);
  }
  SECTION("libvirt does not answer") {
    host.host.libvirt_error = HostError(HostError::Kind::unreachable, "libvirt", "cannot reach libvirt");
    CHECK(host.check("foreign-domain").status == CheckStatus::warn);
    CHECK(host.check("foreign-domain").found == "whether another VM has 0000:0a:00.0 is unknown: cannot reach libvirt");
  }
}

TEST_CASE("vfio-bind: a GPU that our own running VM uses is no problem") {
  MemoryFunction function{address};
  function.driver = "vfio-pci";
  CheckedHost host(function);
  host.host.links["/proc/77/fd/30"] = "/dev/vfio/30";
  host.host.contents["/proc/77/comm"] = "qemu-system-x86\n";
  CHECK(host.check("in-use").found == "GPU 0000:0a:00.0 is held by qemu-system-x86 (pid 77)");
  CHECK(host.check("in-use").status == CheckStatus::fail);
  host.give_to_domain("gpu-worker-1", "gpu", PowerState::running);
  CHECK(host.check("in-use").status == CheckStatus::pass);
  CHECK(problems(host.gpu.check()).empty());
}

TEST_CASE("vfio-bind: a device that hangs needs a reboot, and nothing else is asked of it") {
  CheckedHost host;
  SECTION("its files do not answer") {
    host.host.broken[device + "/driver"] = HostError::Kind::timed_out;
    const auto results = host.gpu.check();
    REQUIRE(results.size() == 1);
    CHECK(results[0].name == "hung-device");
    CHECK(results[0].needs_reboot);
    CHECK(results[0].found == "0000:0a:00.0 hangs: cannot use " + device + "/driver: no answer within 10 s");
    CHECK(results[0].remedy == "reboot this host: nothing else brings the device back");
  }
  SECTION("another device hangs, and is the one that is named") {
    host.bus.add({"0000:18:00.0"});
    host.host.broken["/sys/bus/pci/devices/0000:18:00.0/driver"] = HostError::Kind::timed_out;
    const auto results = host.gpu.check();
    REQUIRE(results.size() == 1);
    CHECK(results[0].needs_reboot);
    REQUIRE_THAT(results[0].found, contains("0000:18:00.0 hangs: "));
  }
  SECTION("it has fallen off the bus") {
    host.host.contents[device + "/config"] = "\xff\xff\xff\xff";
    const auto results = host.gpu.check();
    REQUIRE(results.size() == 1);
    CHECK(results[0].needs_reboot);
    CHECK(results[0].found == "0000:0a:00.0 does not answer: its configuration space reads as all ones");
  }
}
