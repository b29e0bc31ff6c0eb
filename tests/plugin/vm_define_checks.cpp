// vm-define: what it declares, and what it refuses.
#include "vm_define_rig.h"

using namespace vm_define_fake;

namespace {

std::vector<std::string> failures(Rig& rig, const std::string& name) {
  return texts(rig.check(name), CheckStatus::fail);
}

void add_network(Rig& rig, const std::string& name, const std::string& address, const std::string& owner,
                 bool active) {
  NetworkDefinition network;
  network.name = name;
  network.owner.cluster = owner;
  network.address = address;
  network.netmask = "255.255.255.0";
  rig.host.fake_hypervisor.all_networks[name] = {name, "u", active, active, render_network(network)};
}

}  // namespace

TEST_CASE("vm-define's resources") {
  Rig rig;
  rig.worker(1).gpu_indexes.clear();
  const auto resources = vm_define().expand(rig.spec);
  REQUIRE(resources.size() == 3);
  CHECK(resources[0].address.to_string() == "vm-define/gpu-control-plane");
  CHECK(resources[0].depends_on == std::vector<Address>{Address("iommu-check", "host")});
  CHECK(resources[1].address.to_string() == "vm-define/gpu-worker-1");
  CHECK(resources[1].depends_on.size() == 4);
  CHECK(resources[1].depends_on.at(3).to_string() == "vfio-bind/0000:43:00.0");
  CHECK(resources[2].depends_on == std::vector<Address>{Address("iommu-check", "host")});
  CHECK(resources[1].declared.list("gpus").at(0) == "0000:0a:00.0");
  CHECK(resources[1].declared.text("address") == "192.168.130.21");
  CHECK(resources[1].declared.text("mac").rfind("52:54:00:", 0) == 0);
  CHECK(resources[1].declared.text("mac") != resources[2].declared.text("mac"));
  CHECK(vm_define().expand(rig.spec)[1].declared == resources[1].declared);
}

TEST_CASE("a host that has everything passes") {
  Rig rig;
  for (const char* name : {"gpu-control-plane", "gpu-worker-1", "gpu-worker-2"}) {
    CHECK(failures(rig, name).empty());
    CHECK(texts(rig.check(name), CheckStatus::warn).empty());
  }
  rig.create_all();
  for (const char* name : {"gpu-control-plane", "gpu-worker-1", "gpu-worker-2"}) CHECK(failures(rig, name).empty());
}

TEST_CASE("a domain of that name that gpuplan did not make is refused") {
  Rig rig;
  DomainDefinition other;
  other.name = "gpu-worker-1";
  other.memory_mib = 1024;
  other.cpus = 1;
  rig.host.hypervisor().define_domain(render_domain(other));
  CHECK(failures(rig, "gpu-worker-1") ==
        std::vector<std::string>{
            "vm-name: a domain called gpu-worker-1 exists that gpuplan did not make; rename it while it "
            "is shut down, or give this cluster another name (`cluster:`)"});
  other.owner.cluster = "lab";
  other.uuid = rig.host.hypervisor().domain("gpu-worker-1")->uuid;
  rig.host.hypervisor().define_domain(render_domain(other));
  CHECK_THAT(failures(rig, "gpu-worker-1").at(0),
             contains("vm-name: domain gpu-worker-1 belongs to gpuplan's cluster lab"));
}

TEST_CASE("a volume of that name that gpuplan does not know is refused") {
  Rig rig;
  rig.host.fake_hypervisor.pools["gpuplan"].path = "/var/lib/gpuplan/images";
  rig.host.fake_hypervisor.add_volume("gpuplan", {"gpu-worker-1.qcow2", "", 1, "", "qcow2"}, false);
  rig.host.fake_hypervisor.add_volume("gpuplan", {"gpu-worker-10.qcow2", "", 1, "", "qcow2"}, false);
  const auto failed = failures(rig, "gpu-worker-1");
  REQUIRE(failed.size() == 1);
  CHECK(failed[0] ==
        "vm-disk: volume gpu-worker-1.qcow2 exists in pool gpuplan, and gpuplan does not know it; delete it if "
        "nobody needs it, else rename it");
}

TEST_CASE("a disk cannot shrink") {
  Rig rig;
  rig.create_all();
  rig.worker(0).resources.disk_gib = 400;
  CHECK(failures(rig, "gpu-worker-1") ==
        std::vector<std::string>{
            "vm-disk: the disk of gpu-worker-1 has 500 GiB, the spec says 400: a disk cannot shrink; "
            "declare `disk: 500` or more"});
}

TEST_CASE("defect 13: a GPU index that the list does not have is refused, not skipped") {
  Rig rig;
  rig.worker(1).gpu_indexes = {4, 5, 6, 8};
  CHECK(failures(rig, "gpu-worker-2") ==
        std::vector<std::string>{
            "gpu-assignment: gpu-worker-2 is assigned gpus[8], but the spec lists 8 GPUs; use indexes "
            "from 0 to 7"});
}

TEST_CASE("defect 14: a GPU that is assigned to two workers is refused before anything is made") {
  Rig rig;
  rig.worker(1).gpu_indexes = {3, 4, 5, 6};
  CHECK(failures(rig, "gpu-worker-2") ==
        std::vector<std::string>{
            "gpu-assignment: GPU 0000:43:00.0 is assigned to both gpu-worker-2 and gpu-worker-1; a GPU "
            "can belong to one VM: take it out of one of the two lists"});
  CHECK(failures(rig, "gpu-worker-1").size() == 1);
  rig.worker(1).gpu_indexes = {4, 4, 5, 6};
  CHECK_THAT(failures(rig, "gpu-worker-2").at(0), contains("GPU 0000:87:00.0 is assigned to gpu-worker-2 twice"));
  CHECK(rig.host.calls.made.empty());
}

TEST_CASE("a GPU that a foreign VM has is left to that GPU's own check: one problem, one message") {
  Rig rig;
  DomainDefinition other;
  other.name = "cad";
  other.memory_mib = 1024;
  other.cpus = 1;
  other.devices = {parse_bdf("0a:00.0").value()};
  rig.host.hypervisor().define_domain(render_domain(other));
  rig.host.hypervisor().start_domain("cad");
  CHECK(failures(rig, "gpu-worker-1").empty());
  CHECK(texts(rig.check("gpu-worker-1"), CheckStatus::warn).empty());
  const auto resources = vm_define().expand(rig.spec);
  CHECK(std::count(resources[1].depends_on.begin(), resources[1].depends_on.end(), Address("vfio-bind", "0000:0a:00.0")) == 1);
}

TEST_CASE("the address width must hold the GPUs' window") {
  Rig rig;
  SECTION("forty bits do not") {
    rig.host.file_system.content["/proc/cpuinfo"] = "address sizes\t: 40 bits physical, 48 bits virtual\n";
    CHECK(failures(rig, "gpu-worker-1") ==
          std::vector<std::string>{
              "address-width: gpu-worker-1 needs 41 address bits for 200 GiB of memory and a 1024 GiB "
              "window for its GPUs; the processors have 40, the IOMMU 48; give the VM fewer GPUs, or less memory"});
  }
  SECTION("a narrower IOMMU counts, and the guest is told") {
    rig.host.file_system.content["/sys/class/iommu/dmar0/intel-iommu/cap"] = "c90780106f0462\n";
    rig.host.file_system.content["/proc/cpuinfo"] = "address sizes\t: 52 bits physical, 57 bits virtual\n";
    CHECK(failures(rig, "gpu-worker-1").empty());
    rig.run(rig.plan("gpu-worker-1"));
    CHECK(rig.domain("gpu-worker-1").physical_address_bits == 48);
  }
  SECTION("emulated processors have forty, whatever those of the host have") {
    rig.spec.host.accel = "tcg";
    CHECK(failures(rig, "gpu-worker-1") ==
          std::vector<std::string>{
              "address-width: gpu-worker-1 needs 41 address bits for 200 GiB of memory and a 1024 GiB window for its GPUs; "
              "QEMU's emulated processors (host.accel: tcg) have 40, the IOMMU 48; use `host: {accel: kvm}`, or give the VM "
              "fewer GPUs or less memory"});
    rig.worker(0).gpu_indexes = {0};
    CHECK(failures(rig, "gpu-worker-1").empty());
  }
  SECTION("SeaBIOS is told of no window") {
    rig.worker(0).resources.firmware = "bios";
    CHECK(failures(rig, "gpu-worker-1").empty());
    CHECK_THAT(texts(rig.check("gpu-worker-1"), CheckStatus::warn).at(0),
               contains("the IOMMU 48; with firmware bios SeaBIOS alone decides where their BARs lie; declare `firmware: efi`"));
    for (const std::size_t gpu : rig.worker(0).gpu_indexes) {  // as small cards have it
      rig.host.file_system.content["/sys/bus/pci/devices/" + rig.spec.gpus[gpu].address.to_string() + "/resource"] =
          "0x0000382000000000 0x000038200fffffff 0x000000000014220c\n";
    }
    rig.worker(0).gpu_indexes = {0, 1};
    CHECK(texts(rig.check("gpu-worker-1"), CheckStatus::warn).empty());
  }
  SECTION("unknown is a warning") {
    rig.host.file_system.content.erase("/proc/cpuinfo");
    rig.host.file_system.content.erase("/sys/class/iommu/dmar0/intel-iommu/cap");
    CHECK(failures(rig, "gpu-worker-1").empty());
    CHECK_THAT(texts(rig.check("gpu-worker-1"), CheckStatus::warn).at(0), contains("an unknown number of"));
  }
}

TEST_CASE("an existing network is used if it fits, and refused if not") {
  Rig rig;
  SECTION("active, same range") {
    add_network(rig, "gpu-k8s-net", "192.168.130.1", "", true);
    CHECK(failures(rig, "gpu-control-plane").empty());
    rig.run(rig.plan("gpu-control-plane"));
    CHECK(std::find(rig.host.calls.made.begin(), rig.host.calls.made.end(), "define_network gpu-k8s-net") ==
          rig.host.calls.made.end());
  }
  SECTION("another range") {
    add_network(rig, "gpu-k8s-net", "10.1.2.1", "", true);
    CHECK(failures(rig, "gpu-control-plane") ==
          std::vector<std::string>{
              "network: network gpu-k8s-net has 10.1.2.0/24, the spec says 192.168.130.0/24; declare "
              "`network.cidr: 10.1.2.0/24`, or another `network.name`"});
  }
  SECTION("no range at all") {
    add_network(rig, "gpu-k8s-net", "", "", true);
    CHECK(failures(rig, "gpu-control-plane") ==
          std::vector<std::string>{
              "network: network gpu-k8s-net has no IPv4 range, the spec says 192.168.130.0/24; declare another "
              "`network.name`, of which gpuplan makes a network: gpu-k8s-net has no addresses for VMs"});
  }
  SECTION("not active") {
    add_network(rig, "gpu-k8s-net", "192.168.130.1", "", false);
    CHECK_THAT(failures(rig, "gpu-control-plane").at(0), contains("is not active, and gpuplan did not make it"));
  }
  SECTION("our own, not active: it is started") {
    add_network(rig, "gpu-k8s-net", "192.168.130.1", "gpu", false);
    CHECK(failures(rig, "gpu-control-plane").empty());
    rig.run(rig.plan("gpu-control-plane"));
    CHECK(rig.host.hypervisor().network("gpu-k8s-net")->active);
  }
}

TEST_CASE("a bridge must be there, and is then used") {
  Rig rig;
  rig.spec.network.mode = "bridge";
  rig.spec.network.bridge = "br0";
  CHECK(failures(rig, "gpu-control-plane") ==
        std::vector<std::string>{"bridge: there is no bridge br0 on this host; make it with the host's own network "
                                 "configuration, or use `network.mode: nat`"});
  rig.host.file_system.directories.insert("/sys/class/net/br0/bridge");
  CHECK(failures(rig, "gpu-control-plane").empty());
  rig.run(rig.plan("gpu-control-plane"));
  CHECK(rig.domain("gpu-control-plane").bridge == "br0");
  CHECK(rig.plan("gpu-control-plane").action == Action::none);
  CHECK(rig.host.hypervisor().networks().empty());
}

TEST_CASE("storage") {
  Rig rig;
  rig.host.fake_hypervisor.pools["gpuplan"].path = "/var/lib/gpuplan/images";
  SECTION("thin disks may promise more than there is: a warning") {
    rig.host.fake_hypervisor.available_bytes = 200LL << 30;
    CHECK(failures(rig, "gpu-control-plane").empty());
    CHECK_THAT(texts(rig.check("gpu-control-plane"), CheckStatus::warn).at(0),
               contains("storage-space: the new disks may grow to 1100 GiB together, pool gpuplan has 200 GiB left"));
  }
  SECTION("no pool yet: where it will be made, or would be if the directories above it were there") {
    rig.host.fake_hypervisor.pools.clear();
    rig.host.file_system.directories.insert("/var/lib");
    rig.host.outputs["df --output=avail -B1 /var/lib"] = "       Avail\n214748364800\n";
    CHECK_THAT(texts(rig.check("gpu-control-plane"), CheckStatus::warn).at(0),
               contains("storage-space: the new disks may grow to 1100 GiB together, /var/lib/gpuplan/images has 200 GiB left"));
  }
  SECTION("a pool elsewhere") {
    rig.host.fake_hypervisor.pools["gpuplan"].path = "/data/images";
    CHECK(failures(rig, "gpu-control-plane") ==
          std::vector<std::string>{
              "storage-pool: pool gpuplan lies in /data/images, the spec says /var/lib/gpuplan/images; "
              "declare `storage.path: /data/images`, or another `storage.pool`"});
  }
  SECTION("a pool that is off") {
    rig.host.fake_hypervisor.pools["gpuplan"].active = false;
    CHECK_THAT(failures(rig, "gpu-control-plane").at(0), contains("pool gpuplan exists, is not active"));
  }
}

TEST_CASE("without Kubernetes the first worker is checked with what all VMs share") {
  Rig rig;
  rig.spec.kubernetes.enabled = false;
  rig.host.fake_hypervisor.pools["gpuplan"].path = "/var/lib/gpuplan/images";
  rig.host.fake_hypervisor.pools["gpuplan"].active = false;
  CHECK_THAT(failures(rig, "gpu-worker-1").at(0), contains("pool gpuplan exists, is not active"));
  CHECK(failures(rig, "gpu-worker-2").empty());
}

TEST_CASE("a libvirt that does not answer is left to iommu-check; what needs none is checked all the same") {
  for (const HostError::Kind kind : {HostError::Kind::unreachable, HostError::Kind::denied}) {
    Rig rig;
    rig.host.fake_hypervisor.silent = HostError(kind, "libvirt", "cannot reach libvirt");
    const auto results = rig.check("gpu-worker-1");
    REQUIRE(results.size() == 2);
    CHECK(results[0].name == "gpu-assignment");
    CHECK(results[1].name == "address-width");
    for (const CheckResult& result : results) CHECK(result.status == CheckStatus::pass);
    rig.worker(1).gpu_indexes = {3, 5, 6, 7};
    CHECK(failures(rig, "gpu-worker-1") ==
          std::vector<std::string>{"gpu-assignment: GPU 0000:43:00.0 is assigned to both gpu-worker-1 and gpu-worker-2; a "
                                   "GPU can belong to one VM: take it out of one of the two lists"});
    CHECK(rig.check("gpu-control-plane").empty());
  }
}
