// A host on which iommu-check finds everything as it should be.
#pragma once

#include "host/xml/domain_xml.h"
#include "vfio_bind_rig.h"

namespace gpuplan::test {

inline const std::string tables = "/sys/firmware/acpi/tables";

// With one GPU for one worker.
struct CheckedHost {
  MemoryHost host;
  MemoryPci bus{host};
  Spec spec;

  CheckedHost() {
    bus.add({"0000:0a:00.0"});
    declare_gpu(spec, "0000:0a:00.0");
    spec.control_plane.name = "gpu-control-plane";
    spec.control_plane.resources = {8192, 4, 100, "efi", "none", "auto"};
    WorkerSpec worker;
    worker.key = "worker-1";
    worker.name = "gpu-worker-1";
    worker.gpu_indexes = {0};
    worker.resources = {65536, 16, 500, "efi", "none", "auto"};
    spec.workers.push_back(worker);
    host.contents["/proc/cpuinfo"] =
        "processor\t: 0\nvendor_id\t: GenuineIntel\nflags\t\t: fpu vmx lm\naddress sizes\t: 46 bits physical, 57 bits virtual\n"
        "\nprocessor\t: 1\nflags\t\t: none\n";
    host.contents["/dev/kvm"] = "";
    host.contents[tables + "/DMAR"] = "";
    host.contents["/proc/interrupts"] = "  24:  0  IR-PCI-MSIX-0000:0a:00.0    0-edge      nvidia\n";
    host.contents["/proc/meminfo"] = "MemTotal:       264000000 kB\nMemFree: 1 kB\n";
    host.contents["/proc/cmdline"] = "root=/dev/sda1 ro\n";
    host.contents["/etc/os-release"] = "NAME=\"Debian GNU/Linux\"\nID=debian\n";
    host.contents["/proc/net/route"] =
        "Iface\tDestination\tGateway\n"
        "eno1\t00000000\t0100140A\t0003\t0\t0\t100\t00000000\t0\t0\t0\n"
        "eno1\t0000140A\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0\n";
    host.commands["qemu-system-x86_64 --version"] = {0, "QEMU emulator version 7.2.0\n", ""};
    host.commands["qemu-img --version"] = {};
    host.contents["/usr/sbin/libvirtd"] = "";
    host.contents["/usr/share/OVMF/OVMF_CODE_4M.fd"] = "";
  }
  std::vector<CheckResult> checks() {
    const StepKind& kind = shipped_kind("iommu-check");
    return kind.check(kind.expand(spec).front(), spec, {}, host);
  }
  CheckResult check(const std::string& name) { return check_named(checks(), name); }
  void add_vm(const std::string& name, const std::string& cluster, const std::string& hugepages, std::int64_t memory_mib) {
    DomainDefinition vm;
    vm.name = name;
    vm.owner.cluster = cluster;
    vm.memory_mib = memory_mib;
    vm.cpus = 16;
    vm.hugepages = hugepages;
    host.domain_states.push_back({name, "", PowerState::running, false, render_domain(vm)});
  }
  void add_nvswitch() { bus.add({"0000:05:00.0", "0x10de", "0x22a3", "0x068000", "nvidia-nvswitch", 60}); }
};

inline void is_result(const CheckResult& result, CheckStatus status, const std::string& found, const std::string& remedy) {
  CHECK(result.status == status);
  CHECK(result.found == found);
  CHECK(result.remedy == remedy);
  CHECK(result.address.to_string() == "iommu-check/host");
}

}  // namespace gpuplan::test
