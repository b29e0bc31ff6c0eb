// What iommu-check says about a host.
#include "iommu_check_rig.h"

using namespace gpuplan;
using namespace gpuplan::test;

TEST_CASE("iommu-check: a good host passes, and there is never anything to do") {
  CheckedHost host;
  CHECK(problems(host.checks()).empty());
  CHECK(host.check("memory-size").found ==
        "73728 MiB of VMs + 816 MiB overhead + 16384 MiB host.memory_reserve = 90928 MiB; this host has 257812 MiB");
  const StepKind& kind = shipped_kind("iommu-check");
  const Resource resource = kind.expand(host.spec).front();
  const Observation observed = kind.observe(resource, {}, host.host);
  CHECK(observed.attributes == Attributes{{"passthrough", true}, {"iommu", std::string("intel")}, {"interrupt_remapping", true}});
  CHECK(kind.compare(resource, observed, {}).action == Action::none);
  CHECK(host.host.changes.empty());
}

TEST_CASE("defect 3: the IOMMU is checked before any GPU is taken") {
  CheckedHost host;
  CHECK(shipped_kind("vfio-bind").expand(host.spec).front().depends_on ==
        std::vector<Address>{Address("iommu-check", "host")});
  host.host.contents.erase(tables + "/DMAR");
  host.host.links.erase("/sys/kernel/iommu_groups/30/devices/0000:0a:00.0");
  CHECK(host.check("iommu-firmware").status == CheckStatus::fail);
  CHECK(host.check("iommu-groups").status == CheckStatus::fail);
}

TEST_CASE("iommu-check: what only the firmware or another server can mend is said first") {
  CheckedHost host;
  std::vector<std::string> names;
  for (const CheckResult& result : host.checks()) names.push_back(result.name);
  REQUIRE(names.size() > 4);
  names.resize(4);
  CHECK(names == std::vector<std::string>{"iommu-firmware", "iommu-groups", "interrupt-remapping", "unsafe-interrupts"});
}

TEST_CASE("iommu-check demands only what the spec uses") {
  CheckedHost host;
  host.host.contents.erase(tables + "/DMAR");
  host.host.contents["/proc/interrupts"] = "";
  host.host.links.clear();
  SECTION("no GPUs: the hardware is not looked at") {
    host.spec.gpus.clear();
    host.spec.workers[0].gpu_indexes.clear();
    CHECK(problems(host.checks()).empty());
    CHECK(shipped_kind("iommu-check").expand(host.spec).front().declared.empty());
  }
  SECTION("no VMs: neither memory nor libvirt is looked at") {
    host.spec.control_plane = {};
    host.spec.workers.clear();
    host.host.libvirt_error = HostError(HostError::Kind::unreachable, "libvirt", "cannot reach libvirt");
    for (const CheckResult& result : host.checks()) {
      CHECK(result.name != "libvirt");
      CHECK(result.name != "memory-size");
    }
  }
  SECTION("tcg needs no kvm") {
    host.spec.gpus.clear();
    host.spec.host.accel = "tcg";
    host.host.contents.erase("/dev/kvm");
    CHECK(problems(host.checks()).empty());
  }
}

TEST_CASE("iommu-check: processor virtualization") {
  CheckedHost host;
  host.host.contents.erase("/dev/kvm");
  is_result(host.check("cpu-virtualization"), CheckStatus::fail, "the processor can virtualize, but there is no /dev/kvm",
            "`modprobe kvm_intel`; if that fails, switch on VT-x in the firmware setup");
  host.host.contents["/proc/cpuinfo"] = "vendor_id : AuthenticAMD\nflags : fpu lm\n";
  is_result(host.check("cpu-virtualization"), CheckStatus::fail, "the processor shows neither vmx nor svm",
            "switch on SVM in the firmware setup");
  host.host.contents["/proc/cpuinfo"] = "vendor_id : AuthenticAMD\nflags : fpu lm hypervisor\n";
  CHECK(host.check("cpu-virtualization").remedy == "switch on nested virtualization where this VM is defined");
  host.spec.gpus.clear();
  CHECK(host.check("cpu-virtualization").remedy ==
        "switch on nested virtualization where this VM is defined, or set host.accel: tcg");
}

TEST_CASE("iommu-check tells the ways apart in which an IOMMU can be missing") {
  CheckedHost host;
  host.host.links.erase("/sys/kernel/iommu_groups/30/devices/0000:0a:00.0");
  SECTION("the kernel parameter is missing") {
    CHECK(host.check("iommu-firmware").status == CheckStatus::pass);
    is_result(host.check("iommu-groups"), CheckStatus::fail,
              "the firmware offers VT-d, but the kernel does not use it: there are no IOMMU groups",
              "add intel_iommu=on to GRUB_CMDLINE_LINUX in /etc/default/grub, run `update-grub` and reboot");
    host.host.contents["/etc/os-release"] = "ID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"\n";
    CHECK(host.check("iommu-groups").remedy == "run `grubby --update-kernel=ALL --args=intel_iommu=on` and reboot");
    host.host.contents["/etc/os-release"] = "ID=opensuse-leap\nID_LIKE=\"suse opensuse\"\n";
    CHECK_THAT(host.check("iommu-groups").remedy, contains("run `grub2-mkconfig -o /boot/grub2/grub.cfg` and reboot"));
    host.host.contents["/etc/os-release"] = "ID=plan9\n";
    CHECK_THAT(host.check("iommu-groups").remedy, contains("make GRUB's menu anew and reboot"));
  }
  SECTION("a kernel parameter switches it off") {
    host.host.contents["/proc/cmdline"] = "ro intel_iommu=off quiet\n";
    is_result(host.check("iommu-groups"), CheckStatus::fail, "the IOMMU is switched off by the kernel parameter intel_iommu=off",
              "take intel_iommu=off out of the kernel command line and reboot");
  }
  SECTION("AMD needs no parameter") {
    host.host.contents.erase(tables + "/DMAR");
    host.host.contents[tables + "/IVRS"] = "";
    CHECK(host.check("iommu-groups").remedy == "`dmesg | grep AMD-Vi` says why; boot a kernel with CONFIG_AMD_IOMMU");
  }
  SECTION("it is off in the firmware") {
    host.host.contents.erase(tables + "/DMAR");
    is_result(host.check("iommu-firmware"), CheckStatus::fail,
              "the firmware offers no IOMMU: neither a DMAR nor an IVRS table is there",
              "switch on VT-d in the firmware setup and reboot");
    CHECK(host.check("iommu-groups").remedy == "see iommu-firmware: the IOMMU must be there first");
  }
  SECTION("this is a virtual machine") {
    host.host.contents.erase(tables + "/DMAR");
    host.host.contents["/proc/cpuinfo"] = "vendor_id : GenuineIntel\nflags : vmx hypervisor\n";
    CHECK(host.check("iommu-firmware").found == "this host is itself a virtual machine and sees no IOMMU");
  }
}

TEST_CASE("iommu-check: groups without a table are an IOMMU all the same") {
  CheckedHost host;
  host.host.contents.erase(tables + "/DMAR");
  CHECK(host.check("iommu-firmware").status == CheckStatus::pass);
  CHECK(host.check("iommu-firmware").found == "no DMAR or IVRS table, but the kernel has IOMMU groups");
}

TEST_CASE("iommu-check: interrupts") {
  CheckedHost host;
  host.host.contents["/proc/interrupts"] = "  24:  0  PCI-MSIX-0000:0a:00.0    0-edge  nvidia\n";
  CHECK(host.check("interrupt-remapping").status == CheckStatus::fail);
  CHECK_THAT(host.check("interrupt-remapping").remedy, contains("switch on interrupt remapping"));
  host.host.contents["/proc/cmdline"] = "ro intel_iommu=on intremap=off\n";
  is_result(host.check("interrupt-remapping"), CheckStatus::fail,
            "interrupt remapping is switched off by the kernel parameter intremap=off, so a VM could fake the host's "
            "interrupts",
            "take intremap=off out of the kernel command line and reboot");
  CHECK(host.check("unsafe-interrupts").status == CheckStatus::pass);
  host.host.contents["/sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts"] = "Y\n";
  CHECK(host.check("unsafe-interrupts").found == "vfio_iommu_type1 is loaded with allow_unsafe_interrupts=1");
  CHECK(host.check("unsafe-interrupts").status == CheckStatus::fail);
}

TEST_CASE("iommu-check: the user of QEMU must be able to read and write /dev/kvm") {
  CheckedHost host;
  const std::string stat = "stat -L -c %a %U %G /dev/kvm";
  CHECK(host.check("kvm-access").found == "/dev/kvm is there; who may use it could not be read");
  host.host.commands[stat] = {0, "666 root kvm\n", ""};
  CHECK(host.check("kvm-access").status == CheckStatus::pass);
  host.host.commands[stat].output = "660 root kvm\n";
  CHECK(host.check("kvm-access").status == CheckStatus::warn);  // nobody knows as whom QEMU runs
  host.host.contents["/etc/passwd"] = "libvirt-qemu:x:64055:104::/:/bin/false\nbuild:x:1000:1000::/:/bin/sh\n";
  host.host.contents["/etc/group"] = "kvm:x:104:build\n";
  CHECK(host.check("kvm-access").found ==
        "/dev/kvm has mode 0660, owner root, group kvm; QEMU runs as libvirt-qemu, which may use it");
  host.host.contents["/etc/libvirt/qemu.conf"] = "# user = \"root\"\nuser = \"build\"\n";
  CHECK(host.check("kvm-access").status == CheckStatus::pass);  // by its membership
  host.host.contents["/etc/group"] = "kvm:x:104:\n";
  is_result(host.check("kvm-access"), CheckStatus::fail,
            "/dev/kvm has mode 0660, owner root, group kvm; QEMU runs as build, which may not use it",
            "`usermod -aG kvm build && systemctl restart libvirtd`");
  // Of no use is a group that may not use it, nor is membership in root's.
  for (const char* access : {"600 root kvm\n", "660 root root\n"}) {
    CAPTURE(access);
    host.host.commands[stat].output = access;
    CHECK(host.check("kvm-access").remedy ==
          "`chgrp kvm /dev/kvm && chmod 0660 /dev/kvm && usermod -aG kvm build && systemctl restart libvirtd`; to last over a "
          "reboot: `echo 'KERNEL==\"kvm\", GROUP=\"kvm\", MODE=\"0660\"' >/etc/udev/rules.d/65-kvm.rules`");
  }
  host.host.contents["/etc/os-release"] = "ID=fedora\n";
  CHECK_THAT(host.check("kvm-access").remedy, contains("systemctl restart virtqemud"));
  host.host.contents["/etc/libvirt/qemu.conf"] = "user = \"root\"\n";
  CHECK(host.check("kvm-access").status == CheckStatus::pass);
}

TEST_CASE("iommu-check: vfio-pci must be loaded or loadable") {
  CheckedHost host;
  host.host.directories.erase("/sys/bus/pci/drivers/vfio-pci");
  CHECK(host.check("vfio-modules").status == CheckStatus::warn);
  host.host.commands["modinfo -n vfio-pci"] = {0, "/lib/modules/6.1/vfio-pci.ko\n", ""};
  CHECK(host.check("vfio-modules").found == "vfio-pci can be loaded");
  host.host.commands["modinfo -n vfio-pci"] = {1, "", "modinfo: ERROR: Module vfio-pci not found.\n"};
  is_result(host.check("vfio-modules"), CheckStatus::fail, "this kernel has no vfio-pci module",
            "boot a kernel that has it: `apt install linux-image-amd64`, and reboot into that");
  const auto remedy_on = [&](const std::string& os_release) {
    host.host.contents["/etc/os-release"] = os_release;
    return host.check("vfio-modules").remedy;
  };
  CHECK(remedy_on("ID=ubuntu\nID_LIKE=debian\n") == "apt install linux-modules-extra-$(uname -r)");
  CHECK(remedy_on("ID=fedora\n") == "dnf install kernel-modules");
  CHECK(remedy_on("ID=plan9\n") == "boot a kernel of the distribution that is built with CONFIG_VFIO_PCI");
}

TEST_CASE("iommu-check: missing packages are named with the line that installs them") {
  CheckedHost host;
  host.host.commands.clear();
  host.host.contents.erase("/usr/sbin/libvirtd");
  host.host.contents.erase("/usr/share/OVMF/OVMF_CODE_4M.fd");
  is_result(host.check("packages"), CheckStatus::fail, "QEMU, qemu-img, libvirt, OVMF firmware are not installed",
            "apt install qemu-system-x86 qemu-utils libvirt-daemon-system ovmf");
  host.host.contents["/etc/os-release"] = "ID=fedora\n";
  CHECK(host.check("packages").remedy == "dnf install qemu-kvm qemu-img libvirt edk2-ovmf");
  host.host.contents["/etc/os-release"] = "ID=opensuse-leap\nID_LIKE=\"suse opensuse\"\n";
  CHECK(host.check("packages").remedy == "zypper install qemu-x86 qemu-img libvirt qemu-ovmf-x86_64");
  host.host.contents["/etc/os-release"] = "ID=plan9\n";
  CHECK(host.check("packages").remedy == "install them with the package manager of this distribution");
}

TEST_CASE("iommu-check: a package counts as present if the package manager knows it") {
  CheckedHost host;
  host.host.contents.erase("/usr/sbin/libvirtd");
  is_result(host.check("packages"), CheckStatus::fail, "libvirt is not installed", "apt install libvirt-daemon-system");
  host.host.commands["dpkg-query -W -f ${db:Status-Status} libvirt-daemon-system"] = {0, "installed", ""};
  CHECK(host.check("packages").status == CheckStatus::pass);
  host.host.commands["dpkg-query -W -f ${db:Status-Status} libvirt-daemon-system"] = {0, "not-installed", ""};
  CHECK(host.check("packages").status == CheckStatus::fail);
}

TEST_CASE("iommu-check: NVSwitches that only GPUs know of") {
  CheckedHost host;
  const std::string on_fabric = "GPU 00000000:0A:00.0\n    Fabric\n        State : Completed\n";
  const std::string asked = "nvidia-smi -i 0000:0a:00.0 -q";
  host.host.commands[asked] = {0, on_fabric, ""};
  const std::string found = "PCI shows no NVSwitch, but 0000:0a:00.0 is on some (fabric state: Completed), and Fabric Manager is not "
                            "in shared mode here; ";
  const std::string remedy = "if the switches are this host's, set FABRIC_MODE=1 (shared NVSwitch) in "
                             "/usr/share/nvidia/nvswitch/fabricmanager.cfg and run `systemctl restart nvidia-fabricmanager`";
  is_result(host.check("nvswitch"), CheckStatus::warn, found + "VMs with one GPU work, without NVLink", remedy);
  host.bus.add({"0000:0b:00.0"});
  declare_gpu(host.spec, "0000:0b:00.0");
  host.spec.workers[0].gpu_indexes = {0, 1};
  is_result(host.check("nvswitch"), CheckStatus::warn, found + "VMs with several GPUs may get CUDA error 802",
            remedy + ", or give each worker one GPU");
  SECTION("on none") { host.host.commands[asked].output.replace(on_fabric.find("Completed"), 9, "N/A"); }
  SECTION("away from the driver that could tell") { host.spec.gpus[0].address = *parse_bdf("0000:77:00.0"); }
  CHECK(host.check("nvswitch").found == "no NVSwitches");
}

TEST_CASE("iommu-check: NVSwitches") {
  CheckedHost host;
  CHECK(host.check("nvswitch").found == "no NVSwitches");
  host.add_nvswitch();
  const std::string remedy = "set FABRIC_MODE=1 (shared NVSwitch) in /usr/share/nvidia/nvswitch/fabricmanager.cfg and run "
                             "`systemctl restart nvidia-fabricmanager`";
  SECTION("not in shared mode") {
    is_result(host.check("nvswitch"), CheckStatus::warn,
              "1 NVSwitch stays with the host, Fabric Manager is not in shared mode; VMs with one GPU work, without NVLink",
              remedy);
    host.bus.add({"0000:0b:00.0"});
    declare_gpu(host.spec, "0000:0b:00.0");
    host.spec.workers[0].gpu_indexes = {0, 1};
    is_result(host.check("nvswitch"), CheckStatus::fail,
              "1 NVSwitch stays with the host, Fabric Manager is not in shared mode; VMs with several GPUs would get CUDA "
              "error 802",
              remedy + ", or give each worker one GPU");
  }
  SECTION("shared mode without data") {
    host.host.contents["/usr/share/nvidia/nvswitch/fabricmanager.cfg"] = "# x\nFABRIC_MODE=1\n";
    CHECK(host.check("nvswitch").status == CheckStatus::warn);
    host.host.commands["fmpm -l"] = {0, "{\"partitionInfo\": [{\"gpuInfo\": [{\"physicalId\": 3}]}]}", ""};
    is_result(host.check("nvswitch"), CheckStatus::fail,
              "1 NVSwitch stays with the host, Fabric Manager in shared mode; which of its partitions they are is unknown, as the "
              "module ids of 0000:0a:00.0 cannot be read: their VM would get CUDA error 802",
              "only the nvidia driver can tell them, and gpuplan notes them when it takes a GPU from it: while no VM uses it, give "
              "each of them back, such as with `echo nvidia | sudo tee /sys/bus/pci/devices/0000:0a:00.0/driver_override` and "
              "then `echo 0000:0a:00.0 | sudo tee /sys/bus/pci/devices/0000:0a:00.0/driver/unbind /sys/bus/pci/drivers_probe`");
    host.host.contents["/var/lib/gpuplan-gpu-modules/0000:0a:00.0"] = "3\n";
    CHECK(host.check("nvswitch").status == CheckStatus::pass);
    host.host.contents.erase("/var/lib/gpuplan-gpu-modules/0000:0a:00.0");
    host.host.commands["nvidia-smi -q"] = {0, "GPU 00000000:0A:00.0\n    Module ID : 3\n", ""};
    CHECK(host.check("nvswitch").status == CheckStatus::pass);
    host.host.commands["nvidia-smi -q"] = {0, "GPU 00000000:0A:00.0\n    Module ID : 4\n", ""};
    is_result(host.check("nvswitch"), CheckStatus::fail,
              "gpu-worker-1 gets the GPU modules 4, and no Fabric Manager partition is exactly that",
              "a worker with 1 GPU can have modules 3");
    host.host.commands["fmpm -l"].output = R"({"partitionInfo": [{"gpuInfo": [{"physicalId": 3}, {"physicalId": 4}]}]})";
    CHECK(host.check("nvswitch").remedy == "there is no partition of 1 GPU; a worker with 2 GPUs can have 0000:0a:00.0");
    host.spec.gpus[0].address = *parse_bdf("0000:77:00.0");
    is_result(host.check("nvswitch"), CheckStatus::warn,
              "1 NVSwitch stays with the host, Fabric Manager in shared mode; not compared with its partitions, because GPUs "
              "of the spec are not on this host",
              "see the checks of the GPUs");
    host.host.commands["fmpm -l"].output = "not JSON";
    CHECK(host.check("nvswitch").status == CheckStatus::warn);
  }
  SECTION("stopping Fabric Manager") {
    host.spec.host.stop_services = {"nvidia-fabricmanager"};
    is_result(host.check("nvswitch"), CheckStatus::fail, "host.stop_services lists nvidia-fabricmanager",
              "take it out: without Fabric Manager no VM has NVLink, and gpuplan never stops it");
  }
}

TEST_CASE("iommu-check: the cluster's network must be free") {
  CheckedHost host;
  const std::string remedy =
      "choose another range for network.cidr: `gpuplan init` proposes one, `ip route` shows those in use";
  SECTION("a route") {
    host.spec.network.cidr = "10.20.0.0/16";
    is_result(host.check("network-collision"), CheckStatus::fail,
              "network.cidr 10.20.0.0/16 overlaps the route 10.20.0.0/24 on eno1", remedy);
    host.spec.network.mode = "bridge";
    host.spec.network.bridge = "br0";
    CHECK(host.check("network-collision").status == CheckStatus::pass);
  }
  SECTION("another libvirt network") {
    NetworkDefinition other;
    other.name = "default";
    other.address = "192.168.130.1";
    other.netmask = "255.255.255.0";
    host.host.network_states.push_back({"default", "", true, true, render_network(other)});
    is_result(host.check("network-collision"), CheckStatus::fail,
              "network.cidr 192.168.130.0/24 overlaps 192.168.130.0/24 of the libvirt network default", remedy);
  }
  SECTION("our own network, with its route") {
    NetworkDefinition own;
    own.name = "gpu-k8s-net";
    own.owner.cluster = "gpu";
    own.address = "192.168.130.1";
    own.netmask = "255.255.255.0";
    host.host.contents["/proc/net/route"] += "virbr7\t0082A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n";
    CHECK(host.check("network-collision").found == "network.cidr 192.168.130.0/24 overlaps the route 192.168.130.0/24 on virbr7");
    host.host.network_states.push_back({"gpu-k8s-net", "", true, true, render_network(own)});
    CHECK(host.check("network-collision").status == CheckStatus::pass);
  }
}

TEST_CASE("iommu-check: libvirt must answer") {
  CheckedHost host;
  CHECK(host.check("libvirt").found == "reachable, 0 VMs defined");
  host.host.libvirt_error = HostError(HostError::Kind::denied, "libvirt", "cannot reach libvirt: permission denied");
  is_result(host.check("libvirt"), CheckStatus::fail, "cannot reach libvirt: permission denied",
            "run gpuplan as root, or `usermod -aG libvirt $USER` as root and log in anew");
  host.host.libvirt_error = HostError(HostError::Kind::unreachable, "libvirt", "cannot reach libvirt: no such file");
  CHECK(host.check("libvirt").remedy == "`systemctl enable --now libvirtd`, and look at host.libvirt_uri");
  host.host.contents["/etc/os-release"] = "ID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"\n";
  CHECK(host.check("libvirt").remedy == "`systemctl enable --now virtqemud`, and look at host.libvirt_uri");
  host.host.contents.erase("/usr/sbin/libvirtd");
  CHECK(host.check("libvirt").remedy == "see packages: it must be installed first");
}

TEST_CASE("iommu-check: a device that hangs fails the check that met it, and the others still speak") {
  CheckedHost host;
  host.host.broken["/sys/bus/pci/devices/0000:0a:00.0/driver"] = HostError::Kind::timed_out;
  const CheckResult result = host.check("nvswitch");
  CHECK(result.status == CheckStatus::fail);
  CHECK(result.needs_reboot);
  CHECK(result.remedy == "a device hangs: reboot this host, nothing else brings it back");
  CHECK(host.check("iommu-groups").status == CheckStatus::pass);
}
