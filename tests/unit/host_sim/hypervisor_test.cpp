// libvirt's rules on a simulated host.
#include "bench.h"
#include "host/xml/domain_xml.h"

using namespace gpuplan;
using namespace gpuplan::testing;

namespace {

constexpr std::int64_t gib = 1LL << 30;
const std::string images = "/var/lib/gpuplan/images";

DomainDefinition worker(std::vector<Bdf> devices = {}) {
  DomainDefinition definition;
  definition.name = "gpu-worker-1";
  definition.memory_mib = 204800;
  definition.cpus = 48;
  definition.disks = {{images + "/gpu-worker-1.qcow2", "qcow2", "vda", false}, {images + "/gpu-worker-1-seed.iso", "raw", "vdb", true}};
  definition.network = "gpu-k8s-net";
  definition.mac = "52:54:00:00:00:15";
  definition.locked_memory = true;
  definition.devices = std::move(devices);
  return definition;
}

NetworkDefinition network() {
  NetworkDefinition definition;
  definition.name = "gpu-k8s-net";
  definition.address = "192.168.130.1";
  definition.netmask = "255.255.255.0";
  definition.reservations = {{"52:54:00:00:00:15", "gpu-worker-1", "192.168.130.21"}};
  return definition;
}

// Network, pool, image and disks of one worker.
void prepare(Host& host) {
  Hypervisor& hypervisor = host.hypervisor();
  hypervisor.define_network(render_network(network()));
  hypervisor.start_network("gpu-k8s-net");
  hypervisor.define_pool("gpuplan", images);
  hypervisor.fetch_image("gpuplan", "base.img", {"https://cloud-images.ubuntu.com/noble.img", "", "", limit, {}});
  hypervisor.create_volume("gpuplan", "gpu-worker-1.qcow2", 500 * gib, images + "/base.img");
  hypervisor.upload_volume("gpuplan", "gpu-worker-1-seed.iso", "cidata");
}

std::string start_error(Host& host) {
  return error_of([&] { host.hypervisor().start_domain("gpu-worker-1"); }).what();
}

Command command_of(std::vector<std::string> words) { return {std::move(words), {}, limit}; }

const GuestTarget guest{"gpu-worker-1", "192.168.130.21", "root", 22};

}  // namespace

TEST_CASE("a domain boots in virtual time, answers, and shuts down") {
  Bench bench;
  auto host = bench.open();
  prepare(*host);
  bind_to_vfio(*host, gpu);
  host->hypervisor().define_domain(render_domain(worker({*parse_bdf(gpu)})));
  CHECK(host->hypervisor().domain("gpu-worker-1")->power == PowerState::off);
  host->hypervisor().start_domain("gpu-worker-1");
  CHECK(host->hypervisor().domain("gpu-worker-1")->power == PowerState::running);
  CHECK_FALSE(host->guests().answers(guest));
  CHECK(host->files().read("/proc/20001/comm") == "qemu-system-x86\n");
  CHECK(host->files().read_link("/proc/20001/fd/4") == "/dev/vfio/30");
  CHECK(error_of([&] { host->guests().run(guest, {{"true"}, "", limit}); }).what() ==
        std::string("guest gpu-worker-1 (192.168.130.21) does not answer"));
  host->clock().sleep_for(std::chrono::seconds(39));
  CHECK_FALSE(host->guests().answers(guest));
  host->clock().sleep_for(std::chrono::seconds(1));
  CHECK(host->guests().answers(guest));
  CHECK_THAT(host->hypervisor().console_tail("gpu-worker-1", 1), contains("login:"));

  host->hypervisor().shut_down_domain("gpu-worker-1");
  CHECK(host->hypervisor().domain("gpu-worker-1")->power == PowerState::running);
  host->clock().sleep_for(std::chrono::seconds(5));
  CHECK(host->hypervisor().domain("gpu-worker-1")->power == PowerState::off);
  CHECK_FALSE(host->guests().answers(guest));
}

TEST_CASE("a guest's disk outlives redefinition and restart, and goes with its volume") {
  Bench bench;
  auto host = bench.open();
  prepare(*host);
  host->hypervisor().define_domain(render_domain(worker()));
  host->hypervisor().start_domain("gpu-worker-1");
  host->clock().sleep_for(std::chrono::seconds(40));
  host->guests().put(guest, "/root/note", "kept", 0600);
  CHECK(host->guests().get(guest, "/root/note") == "kept");
  CHECK_FALSE(host->guests().get(guest, "/root/other"));
  host->hypervisor().kill_domain("gpu-worker-1");

  DomainDefinition bigger = worker();
  bigger.uuid = host->hypervisor().domain("gpu-worker-1")->uuid;
  bigger.memory_mib *= 2;
  host->hypervisor().define_domain(render_domain(bigger));
  host.reset();
  host = bench.open();
  host->hypervisor().start_domain("gpu-worker-1");
  host->clock().sleep_for(std::chrono::seconds(40));
  CHECK(host->guests().get(guest, "/root/note") == "kept");

  CHECK(error_of([&] { host->hypervisor().delete_volume("gpuplan", "gpu-worker-1.qcow2"); }).what() ==
        std::string("cannot delete volume gpu-worker-1.qcow2: it is in use by the running domain gpu-worker-1"));
  CHECK(error_of([&] { host->hypervisor().delete_volume("gpuplan", "base.img"); }).kind() == HostError::Kind::busy);
  host->hypervisor().kill_domain("gpu-worker-1");
  host->hypervisor().delete_volume("gpuplan", "gpu-worker-1.qcow2");
  host->hypervisor().create_volume("gpuplan", "gpu-worker-1.qcow2", 500 * gib, images + "/base.img");
  host->hypervisor().start_domain("gpu-worker-1");
  host->clock().sleep_for(std::chrono::seconds(40));
  CHECK_FALSE(host->guests().get(guest, "/root/note"));
}

TEST_CASE("redefinition needs the UUID, and a running domain keeps what it was started with") {
  Bench bench;
  auto host = bench.open();
  prepare(*host);
  host->hypervisor().define_domain(render_domain(worker()));
  const std::string uuid = host->hypervisor().domain("gpu-worker-1")->uuid;
  CHECK(uuid.size() == 36);
  CHECK(parse_domain(host->hypervisor().domain("gpu-worker-1")->xml)->uuid == uuid);
  CHECK(error_of([&] { host->hypervisor().define_domain(render_domain(worker())); }).what() ==
        "cannot define domain gpu-worker-1: domain 'gpu-worker-1' already exists with uuid " + uuid);

  host->hypervisor().start_domain("gpu-worker-1");
  bind_to_vfio(*host, gpu);
  DomainDefinition with_gpu = worker({*parse_bdf(gpu)});
  with_gpu.uuid = uuid;
  host->hypervisor().define_domain(render_domain(with_gpu));
  // The running one has no GPU yet: nothing holds it.
  host->files().write(pci + "drivers/vfio-pci/unbind", gpu, limit);
  CHECK(driver_of(*host, gpu).empty());
}

TEST_CASE("start refuses what libvirt and qemu refuse") {
  Bench bench;
  auto host = bench.open();
  prepare(*host);
  Hypervisor& hypervisor = host->hypervisor();
  const auto define = [&](DomainDefinition definition) {
    hypervisor.undefine_domain("gpu-worker-1");
    hypervisor.define_domain(render_domain(definition));
  };
  const std::string prefix = "cannot start domain gpu-worker-1: ";

  SECTION("a network that is not there, or not active") {
    define(worker());
    hypervisor.remove_network("gpu-k8s-net");
    CHECK(start_error(*host) == prefix + "network not found: no network with matching name 'gpu-k8s-net'");
    hypervisor.define_network(render_network(network()));
    CHECK(start_error(*host) == prefix + "network 'gpu-k8s-net' is not active");
  }
  SECTION("a disk or a backing file that is not there") {
    define(worker());
    hypervisor.delete_volume("gpuplan", "base.img");
    CHECK(start_error(*host) == prefix + "cannot access backing file '" + images + "/base.img': no such file or directory");
    hypervisor.delete_volume("gpuplan", "gpu-worker-1.qcow2");
    CHECK(start_error(*host) ==
          prefix + "cannot access storage file '" + images + "/gpu-worker-1.qcow2': no such file or directory");
  }
  SECTION("a GPU that the host still has, or that does not exist") {
    define(worker({*parse_bdf(gpu)}));
    CHECK(start_error(*host) == prefix + "Unmanaged PCI device 0000:0a:00.0 must be manually detached from the host");
    define(worker({*parse_bdf("0000:42:00.0")}));
    CHECK(start_error(*host) ==
          prefix + "device 0000:42:00.0 not found: could not access /sys/bus/pci/devices/0000:42:00.0/config");
  }
  SECTION("a group that is not viable") {
    const std::string first = "0000:05:00.0";
    bind_to_vfio(*host, first);
    define(worker({*parse_bdf(first)}));
    CHECK(start_error(*host) == prefix +
                                    "vfio 0000:05:00.0: group 60 is not viable: 0000:06:00.0 is bound to nvidia-nvswitch; "
                                    "all devices within the iommu_group must be bound to their vfio bus driver");
  }
  SECTION("more memory than there is") {
    DomainDefinition definition = worker();
    definition.memory_mib = 3'000'000;
    define(definition);
    CHECK(start_error(*host) == prefix +
                                    "cannot set up guest memory 'pc.ram': cannot allocate memory (3000000 MiB wanted, "
                                    "2072576 MiB free)");
    definition.memory_mib = 204800;
    definition.hugepages = "1G";
    define(definition);
    CHECK(start_error(*host) ==
          prefix + "unable to map backing store for guest RAM: cannot allocate memory (0 free hugepages of 1024 MiB)");
  }
  SECTION("a GPU that another running domain has") {
    bind_to_vfio(*host, gpu);
    define(worker({*parse_bdf(gpu)}));
    hypervisor.start_domain("gpu-worker-1");
    hypervisor.create_volume("gpuplan", "other.qcow2", gib, "");
    DomainDefinition other = worker({*parse_bdf(gpu)});
    other.name = "other";
    other.disks = {{images + "/other.qcow2", "qcow2", "vda", false}};
    hypervisor.define_domain(render_domain(other));
    const HostError error = error_of([&] { hypervisor.start_domain("other"); });
    CHECK(error.kind() == HostError::Kind::busy);
    CHECK(error.what() ==
          std::string("cannot start domain other: PCI device 0000:0a:00.0 is in use by driver QEMU, domain gpu-worker-1"));
  }
  SECTION("interrupts that are not remapped") {
    host.reset();
    std::filesystem::remove_all(bench.state());
    bench.change("interrupt_remapping: true", "interrupt_remapping: false");
    host = bench.open();
    prepare(*host);
    bind_to_vfio(*host, gpu);
    host->hypervisor().define_domain(render_domain(worker({*parse_bdf(gpu)})));
    CHECK_THAT(start_error(*host), contains("no interrupt remapping support"));
  }
}

TEST_CASE("unbinding from vfio-pci waits until the domain that has the function ends") {
  Bench bench;
  auto host = bench.open();
  prepare(*host);
  bind_to_vfio(*host, gpu);
  host->hypervisor().define_domain(render_domain(worker({*parse_bdf(gpu)})));
  host->hypervisor().start_domain("gpu-worker-1");
  CHECK(error_of([&] { host->files().write(pci + "drivers/vfio-pci/unbind", gpu, limit); }).kind() ==
        HostError::Kind::timed_out);
  CHECK(error_of([&] { host->files().read(device_file(gpu, "driver_override")); }).kind() == HostError::Kind::timed_out);
  host->hypervisor().kill_domain("gpu-worker-1");
  CHECK(driver_of(*host, gpu).empty());
  CHECK(host->files().read(device_file(gpu, "driver_override")) == "vfio-pci\n");
}

TEST_CASE("a domain is accepted only by a host that can run it") {
  Bench bench;
  SECTION("without /dev/kvm") {
    bench.change("virtualization: true", "virtualization: false");
    auto host = bench.open();
    CHECK_THAT(error_of([&] { host->hypervisor().define_domain(render_domain(worker())); }).what(), contains("no /dev/kvm"));
    DomainDefinition emulated = worker();
    emulated.type = "qemu";
    host->hypervisor().define_domain(render_domain(emulated));
  }
  SECTION("without OVMF") {
    bench.change(" ovmf,", "");
    auto host = bench.open();
    CHECK(error_of([&] { host->hypervisor().define_domain(render_domain(worker())); }).what() ==
          std::string("cannot define domain gpu-worker-1: unable to find 'efi' firmware that is compatible with the "
                      "current configuration"));
  }
  SECTION("without libvirt") {
    bench.change("libvirt:\n", "libvirt:\n  reachable: false\n");
    auto host = bench.open();
    CHECK(error_of([&] { host->hypervisor().domains(); }).kind() == HostError::Kind::unreachable);
  }
}

TEST_CASE("undefining a running domain leaves it running until it stops") {
  Bench bench;
  auto host = bench.open();
  prepare(*host);
  host->hypervisor().define_domain(render_domain(worker()));
  host->hypervisor().start_domain("gpu-worker-1");
  host->hypervisor().undefine_domain("gpu-worker-1");
  REQUIRE(host->hypervisor().domain("gpu-worker-1"));
  host->hypervisor().kill_domain("gpu-worker-1");
  CHECK_FALSE(host->hypervisor().domain("gpu-worker-1"));
  host->hypervisor().undefine_domain("gpu-worker-1");
}

TEST_CASE("a network collides with the host's routes") {
  Bench bench;
  auto host = bench.open();
  NetworkDefinition definition = network();
  definition.address = "10.20.0.1";
  host->hypervisor().define_network(render_network(definition));
  CHECK(error_of([&] { host->hypervisor().start_network("gpu-k8s-net"); }).what() ==
        std::string("cannot start network gpu-k8s-net: network is already in use by interface eno1"));
  host->hypervisor().remove_network("gpu-k8s-net");
  host->hypervisor().define_network(render_network(network()));
  host->hypervisor().start_network("gpu-k8s-net");
  CHECK(host->hypervisor().network("gpu-k8s-net")->autostart);
  CHECK_THAT(host->files().read("/proc/net/route"), contains("virbr1\t0082A8C0\t"));
  CHECK(host->files().kind("/sys/class/net/virbr1/bridge") == FileKind::directory);
  host->hypervisor().remove_network("gpu-k8s-net");
  CHECK(host->files().read("/proc/net/route").find("virbr1") == std::string::npos);
}

TEST_CASE("volumes and pools follow libvirt's rules") {
  Bench bench;
  auto host = bench.open();
  prepare(*host);
  Hypervisor& hypervisor = host->hypervisor();
  CHECK(hypervisor.pool("gpuplan")->path == images);
  CHECK(hypervisor.volume("gpuplan", "gpu-worker-1.qcow2")->backing_path == images + "/base.img");
  CHECK(hypervisor.volume("gpuplan", "gpu-worker-1-seed.iso")->format == "iso");
  const HostError twice = error_of([&] { hypervisor.create_volume("gpuplan", "gpu-worker-1.qcow2", gib, ""); });
  CHECK(twice.kind() == HostError::Kind::refused);
  CHECK(twice.what() == std::string("cannot create volume gpu-worker-1.qcow2: storage volume 'gpu-worker-1.qcow2' exists already"));
  CHECK(error_of([&] { hypervisor.create_volume("gpuplan", "x", gib, "/nowhere"); }).what() ==
        std::string("cannot create volume x: cannot open backing file '/nowhere': no such file or directory"));
  CHECK(error_of([&] { hypervisor.create_volume("none", "x", gib, ""); }).kind() == HostError::Kind::not_found);
  CHECK(error_of([&] { hypervisor.grow_volume("gpuplan", "gpu-worker-1.qcow2", gib); }).kind() == HostError::Kind::refused);
  hypervisor.grow_volume("gpuplan", "gpu-worker-1.qcow2", 600 * gib);
  CHECK(hypervisor.volume("gpuplan", "gpu-worker-1.qcow2")->capacity_bytes == 600 * gib);
  hypervisor.define_pool("gpuplan", images);
  CHECK(error_of([&] { hypervisor.define_pool("other", images); }).kind() == HostError::Kind::refused);
  hypervisor.remove_pool("gpuplan");
  CHECK_FALSE(hypervisor.pool("gpuplan"));
  CHECK(host->files().kind(images) == FileKind::directory);
}

TEST_CASE("an image comes only from where it can be had, and only the right one") {
  Bench bench;
  bench.change("guest: {", "image_sha256: " + std::string(64, 'a') + "\nguest: {");
  auto host = bench.open();
  host->hypervisor().define_pool("gpuplan", images);
  const auto fetch = [&](const std::string& sha) {
    host->hypervisor().fetch_image("gpuplan", "base.img", {"https://example.org/i.img", "", sha, limit, {}});
  };
  CHECK(error_of([&] { fetch(std::string(64, 'b')); }).what() ==
        "cannot use https://example.org/i.img: its SHA-256 is " + std::string(64, 'a') + ", not " + std::string(64, 'b'));
  fetch(std::string(64, 'a'));
  fetch(std::string(64, 'b'));  // present: not looked at again

  bench.change("image_sha256: " + std::string(64, 'a'), "image_reachable: false");
  host.reset();
  std::filesystem::remove_all(bench.state());
  host = bench.open();
  host->hypervisor().define_pool("gpuplan", images);
  CHECK(error_of([&] { fetch(""); }).what() ==
        std::string("cannot fetch https://example.org/i.img: could not resolve host"));
}

TEST_CASE("CUDA starts in a guest only while exactly its GPUs are an active partition") {
  Bench bench;
  auto host = bench.open();
  prepare(*host);
  const std::string second = "0000:18:00.0";  // module 7; `gpu` is module 5
  bind_to_vfio(*host, gpu);
  bind_to_vfio(*host, second);
  host->hypervisor().define_domain(render_domain(worker({*parse_bdf(gpu), *parse_bdf(second)})));
  host->hypervisor().start_domain("gpu-worker-1");
  host->clock().sleep_for(std::chrono::seconds(60));
  const auto cuda = [&] { return host->guests().query(guest, command_of({"deviceQuery"})).output; };
  const std::string error_802 = "cudaGetDeviceCount returned 802\n-> system not yet initialized\nResult = FAIL\n";
  const std::string listed = host->guests().query(guest, command_of({"nvidia-smi", "-L"})).output;
  CHECK_THAT(listed, contains("GPU 0: NVIDIA H100 80GB HBM3 (UUID: GPU-"));
  CHECK_THAT(listed, contains("\nGPU 1: NVIDIA H100 80GB HBM3 (UUID: GPU-"));
  CHECK_THAT(listed, !contains("GPU 2"));
  CHECK(cuda() == error_802);
  REQUIRE(host->run(command_of({"fmpm", "-a", "2"})).ok());  // four GPUs, these two among them
  CHECK(cuda() == error_802);
  REQUIRE(host->run(command_of({"fmpm", "-d", "2"})).ok());
  REQUIRE(host->run(command_of({"fmpm", "-a", "5"})).ok());
  CHECK(cuda() == "Detected 2 CUDA Capable device(s)\nResult = PASS\n");
  host.reset();
  host = bench.open();  // an active partition outlives the program that activated it
  CHECK(cuda() == "Detected 2 CUDA Capable device(s)\nResult = PASS\n");
  REQUIRE(host->run(command_of({"fmpm", "-d", "5"})).ok());
  CHECK(cuda() == error_802);
}
