// On libvirt's own test driver, which keeps everything in this process: https://libvirt.org/drvtest.html
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <thread>

#include "host/libvirt/libvirt_hypervisor.h"
#include "support/catch.h"
#include "support/host_error_of.h"
#include "support/host_files.h"

using namespace gpuplan;

namespace {

constexpr const char* test_uri = "test:///default";
constexpr const char* pool_name = "default-pool";  // the driver comes with it

std::string domain_xml(const std::string& uuid = "", int memory_mib = 64) {
  return "<domain type='test'><name>gpu-worker-1</name>" + (uuid.empty() ? "" : "<uuid>" + uuid + "</uuid>") +
         "<memory unit='MiB'>" + std::to_string(memory_mib) + "</memory><os><type>hvm</type></os></domain>";
}

// The driver forgets everything with its last connection, so each test begins afresh.
struct Libvirt {
  std::unique_ptr<Hypervisor> hypervisor = make_libvirt_hypervisor(test_uri, "");
  Hypervisor& operator*() const { return *hypervisor; }
  Hypervisor* operator->() const { return hypervisor.get(); }
};

}  // namespace

TEST_CASE("what the test driver comes with is seen") {
  const Libvirt libvirt;
  const auto domains = libvirt->domains();
  REQUIRE(domains.size() == 1);
  REQUIRE(domains[0].name == "test");
  REQUIRE(domains[0].uuid.size() == 36);
  REQUIRE(domains[0].power == PowerState::running);
  REQUIRE_THAT(domains[0].xml, contains("<name>test</name>"));
  const auto networks = libvirt->networks();
  REQUIRE(networks.size() == 1);
  REQUIRE(networks[0].name == "default");
  REQUIRE(networks[0].active);
  REQUIRE_FALSE(networks[0].autostart);
  REQUIRE_THAT(networks[0].xml, contains("192.168.122.1"));
  const auto pool = libvirt->pool(pool_name);
  REQUIRE(pool);
  REQUIRE(pool->active);
  REQUIRE(pool->path == "/default-pool");
  REQUIRE(pool->capacity_bytes > pool->available_bytes - 1);
  REQUIRE(pool->available_bytes > 0);
  REQUIRE(libvirt->volumes(pool_name).empty());
}

TEST_CASE("objects that do not exist are answered with nothing") {
  const Libvirt libvirt;
  REQUIRE_FALSE(libvirt->domain("none"));
  REQUIRE_FALSE(libvirt->network("none"));
  REQUIRE_FALSE(libvirt->pool("none"));
  REQUIRE(host_error_of([&] { libvirt->volumes("none"); }).kind() == HostError::Kind::not_found);
  REQUIRE_FALSE(libvirt->volume("none", "none"));
  REQUIRE_FALSE(libvirt->volume(pool_name, "none"));
  REQUIRE(libvirt->console_tail("none", 10).empty());
  REQUIRE(libvirt->console_tail("test", 10).empty());
}

TEST_CASE("taking away what does not exist is no error") {
  const Libvirt libvirt;
  REQUIRE_NOTHROW(libvirt->undefine_domain("none"));
  REQUIRE_NOTHROW(libvirt->remove_network("none"));
  REQUIRE_NOTHROW(libvirt->remove_pool("none"));
  REQUIRE_NOTHROW(libvirt->delete_volume(pool_name, "none"));
  REQUIRE_NOTHROW(libvirt->delete_volume("none", "none"));
}

TEST_CASE("doing something with what does not exist says so in a sentence") {
  const Libvirt libvirt;
  const HostError start = host_error_of([&] { libvirt->start_domain("gpu-worker-9"); });
  REQUIRE(start.kind() == HostError::Kind::not_found);
  REQUIRE(start.subject() == "gpu-worker-9");
  REQUIRE_THAT(start.what(), contains("cannot start the domain gpu-worker-9: domain not found"));
  REQUIRE_THAT(host_error_of([&] { libvirt->kill_domain("a"); }).what(), contains("cannot stop the domain a: "));
  REQUIRE_THAT(host_error_of([&] { libvirt->shut_down_domain("a"); }).what(), contains("cannot shut down the domain a: "));
  REQUIRE_THAT(host_error_of([&] { libvirt->set_autostart("a", true); }).what(),
               contains("cannot change the autostart of the domain a: "));
  const HostError network = host_error_of([&] { libvirt->start_network("n"); });
  REQUIRE(network.kind() == HostError::Kind::not_found);
  REQUIRE_THAT(network.what(), contains("cannot start the network n: network not found"));
  const HostError volume = host_error_of([&] { libvirt->create_volume("p", "v", 1, ""); });
  REQUIRE(volume.kind() == HostError::Kind::not_found);
  REQUIRE_THAT(volume.what(), contains("cannot use the storage pool p: storage pool not found"));
  REQUIRE(host_error_of([&] { libvirt->grow_volume(pool_name, "v", 1); }).kind() == HostError::Kind::not_found);
}

TEST_CASE("a domain is defined, started, stopped and undefined") {
  const Libvirt libvirt;
  libvirt->define_domain(domain_xml());
  auto domain = libvirt->domain("gpu-worker-1");
  REQUIRE(domain);
  REQUIRE(domain->power == PowerState::off);
  REQUIRE_FALSE(domain->autostart);
  const std::string uuid = domain->uuid;

  libvirt->define_domain(domain_xml(uuid, 128));
  domain = libvirt->domain("gpu-worker-1");
  REQUIRE(domain->uuid == uuid);
  REQUIRE_THAT(domain->xml, contains("<memory unit='KiB'>131072</memory>"));

  libvirt->start_domain("gpu-worker-1");
  libvirt->start_domain("gpu-worker-1");
  REQUIRE(libvirt->domain("gpu-worker-1")->power == PowerState::running);
  libvirt->set_autostart("gpu-worker-1", true);
  REQUIRE(libvirt->domain("gpu-worker-1")->autostart);
  libvirt->shut_down_domain("gpu-worker-1");
  REQUIRE(libvirt->domain("gpu-worker-1")->power == PowerState::off);
  libvirt->shut_down_domain("gpu-worker-1");
  libvirt->start_domain("gpu-worker-1");
  libvirt->kill_domain("gpu-worker-1");
  libvirt->kill_domain("gpu-worker-1");
  REQUIRE(libvirt->domain("gpu-worker-1")->power == PowerState::off);
  REQUIRE(libvirt->domains().size() == 2);
  libvirt->undefine_domain("gpu-worker-1");
  REQUIRE_FALSE(libvirt->domain("gpu-worker-1"));
}

TEST_CASE("what libvirt does not accept is refused with its own words") {
  const Libvirt libvirt;
  const HostError malformed = host_error_of([&] { libvirt->define_domain("<domain"); });
  REQUIRE(malformed.kind() == HostError::Kind::refused);
  REQUIRE_THAT(malformed.what(), contains("cannot define the domain"));
  const HostError incomplete = host_error_of([&] { libvirt->define_domain("<domain type='test'><name>x</name></domain>"); });
  REQUIRE(incomplete.kind() == HostError::Kind::refused);
  REQUIRE(std::string(incomplete.what()).find('\n') == std::string::npos);
  libvirt->define_domain(domain_xml());
  // Same name, another UUID.
  REQUIRE_THAT(host_error_of([&] { libvirt->define_domain(domain_xml("11111111-2222-3333-4444-555555555555")); }).what(),
               contains("cannot define the domain gpu-worker-1: "));
}

TEST_CASE("a network is defined, started and removed") {
  const Libvirt libvirt;
  libvirt->define_network(
      "<network><name>gpu-k8s-net</name><ip address='192.168.130.1' netmask='255.255.255.0'/></network>");
  REQUIRE_FALSE(libvirt->network("gpu-k8s-net")->active);
  libvirt->start_network("gpu-k8s-net");
  libvirt->start_network("gpu-k8s-net");
  const auto network = libvirt->network("gpu-k8s-net");
  REQUIRE(network->active);
  REQUIRE(network->autostart);
  REQUIRE(network->uuid.size() == 36);
  libvirt->remove_network("gpu-k8s-net");
  REQUIRE_FALSE(libvirt->network("gpu-k8s-net"));
  REQUIRE_THAT(host_error_of([&] { libvirt->define_network("<network/>"); }).what(), contains("cannot define the network"));
}

TEST_CASE("a pool is defined, started and removed, and not moved") {
  const Libvirt libvirt;
  libvirt->define_pool("gpuplan", "/var/lib/gpuplan/images");
  libvirt->define_pool("gpuplan", "/var/lib/gpuplan/images");
  const auto pool = libvirt->pool("gpuplan");
  REQUIRE(pool);
  REQUIRE(pool->active);
  REQUIRE(pool->path == "/var/lib/gpuplan/images");
  const HostError moved = host_error_of([&] { libvirt->define_pool("gpuplan", "/elsewhere"); });
  REQUIRE(moved.kind() == HostError::Kind::refused);
  REQUIRE(std::string(moved.what()) ==
          "the storage pool gpuplan exists already and keeps its volumes in /var/lib/gpuplan/images, not in /elsewhere; "
          "choose another name for storage.pool in the spec");
  libvirt->remove_pool("gpuplan");
  REQUIRE_FALSE(libvirt->pool("gpuplan"));
}

TEST_CASE("a volume is made once, on its backing file, and deleted") {
  const Libvirt libvirt;
  libvirt->create_volume(pool_name, "base.img", 5LL << 30, "");
  const auto base = libvirt->volume(pool_name, "base.img");
  REQUIRE(base);
  REQUIRE(base->path == "/default-pool/base.img");
  REQUIRE(base->capacity_bytes == 5LL << 30);
  REQUIRE(base->backing_path.empty());
  libvirt->create_volume(pool_name, "gpu-worker-1.qcow2", 50LL << 30, base->path);
  const auto disk = libvirt->volume(pool_name, "gpu-worker-1.qcow2");
  REQUIRE(disk);
  REQUIRE(disk->backing_path == base->path);
  REQUIRE(disk->format == "qcow2");
  const HostError again = host_error_of([&] { libvirt->create_volume(pool_name, "base.img", 1, ""); });
  REQUIRE(again.kind() == HostError::Kind::refused);
  REQUIRE(std::string(again.what()) ==
          "cannot make the volume base.img: the storage pool default-pool has one of this name");
  const auto volumes = libvirt->volumes(pool_name);
  REQUIRE(volumes.size() == 2);
  REQUIRE(volumes[0].name == "base.img");
  libvirt->delete_volume(pool_name, "base.img");
  REQUIRE_FALSE(libvirt->volume(pool_name, "base.img"));
}

TEST_CASE("a volume that is not whole is not shown, and deleting it takes its mark away") {
  const Libvirt libvirt;
  libvirt->create_volume(pool_name, "base.img", 1 << 20, "");
  libvirt->create_volume(pool_name, "base.img.incomplete", 1, "");
  libvirt->create_volume(pool_name, "other.img", 1 << 20, "");
  REQUIRE_FALSE(libvirt->volume(pool_name, "base.img"));
  const auto volumes = libvirt->volumes(pool_name);
  REQUIRE(volumes.size() == 1);
  REQUIRE(volumes[0].name == "other.img");
  libvirt->delete_volume(pool_name, "base.img");
  REQUIRE_FALSE(libvirt->volume(pool_name, "base.img.incomplete"));
  libvirt->create_volume(pool_name, "base.img", 1 << 20, "");
  REQUIRE(libvirt->volume(pool_name, "base.img"));
}

TEST_CASE("volumes grow and never shrink") {
  const Libvirt libvirt;
  libvirt->create_volume(pool_name, "disk", 10 << 20, "");
  libvirt->grow_volume(pool_name, "disk", 10 << 20);
  const HostError shrink = host_error_of([&] { libvirt->grow_volume(pool_name, "disk", 1 << 20); });
  REQUIRE(shrink.kind() == HostError::Kind::refused);
  REQUIRE(std::string(shrink.what()) ==
          "cannot grow the volume disk to 1048576 bytes: it has 10485760 already, and volumes are never shrunk");
}

TEST_CASE("an upload that fails leaves nothing behind") {
  const Libvirt libvirt;
  // The test driver cannot upload.
  const HostError error = host_error_of([&] { libvirt->upload_volume(pool_name, "seed.iso", "content"); });
  REQUIRE(error.kind() == HostError::Kind::unsupported);
  REQUIRE_THAT(error.what(), contains("cannot fill the volume seed.iso: "));
  REQUIRE(libvirt->volumes(pool_name).empty());
  REQUIRE_NOTHROW(libvirt->create_volume(pool_name, "seed.iso", 1, ""));
  REQUIRE(libvirt->volume(pool_name, "seed.iso"));
}

TEST_CASE("a base image that cannot be brought leaves nothing behind") {
  const Libvirt libvirt;
  const TemporaryDirectory directory;
  make_file(directory / "image", "abc");
  const auto fetch = [&](const std::string& url, const std::string& path, const std::string& sha256) {
    libvirt->fetch_image(pool_name, "base.img", {url, path, sha256, std::chrono::seconds(60), {}});
  };
  const HostError url = host_error_of([&] { fetch("https://example.org/noble.img", "", ""); });
  REQUIRE(url.kind() == HostError::Kind::unsupported);
  REQUIRE(std::string(url.what()) == "cannot download https://example.org/noble.img: there is no directory for it, since HOME is not set; "
          "set HOME, or run gpuplan as root");
  REQUIRE(host_error_of([&] { fetch("", directory / "none", ""); }).kind() == HostError::Kind::not_found);
  // The test driver cannot upload; digests are tested on a libvirtd.
  REQUIRE(host_error_of([&] { fetch("", directory / "image", std::string(64, '0')); }).kind() == HostError::Kind::unsupported);
  REQUIRE(libvirt->volumes(pool_name).empty());
  libvirt->create_volume(pool_name, "base.img", 1, "");
  REQUIRE_NOTHROW(fetch("https://example.org/noble.img", "", ""));  // present
}

TEST_CASE("a libvirt that is not there is unreachable, with what to look at") {
  const auto nobody = make_libvirt_hypervisor("qemu+unix:///system?socket=/no/such/socket", "");
  const HostError error = host_error_of([&] { nobody->domain("x"); });
  REQUIRE(error.kind() == HostError::Kind::unreachable);
  REQUIRE(error.subject() == "qemu+unix:///system?socket=/no/such/socket");
  REQUIRE_THAT(error.what(), contains("cannot talk to libvirt at qemu+unix:///system?socket=/no/such/socket: "));
  REQUIRE_THAT(error.what(), contains("; is its service running? (systemctl status libvirtd virtqemud)"));
}

TEST_CASE("no libvirt is opened but a local one, whatever the environment says") {
  const TemporaryDirectory directory;
  const std::string program = directory / "program";
  make_file(program, "#!/bin/sh\ntouch " + (directory / "was-run") + "\n");
  REQUIRE(chmod(program.c_str(), 0755) == 0);
  setenv("LIBVIRT_DEFAULT_URI", test_uri, 1);
  for (const std::string& uri : {std::string(), std::string("nonsense:///x"), std::string("qemu://elsewhere/system"),
                                 "qemu+ext:///system?command=" + program, "qemu+ssh:///system?netcat=" + program,
                                 "qemu:///system?socket=/run/x&command=" + program}) {
    const HostError error = host_error_of([&] { make_libvirt_hypervisor(uri, "")->domains(); });
    REQUIRE(error.kind() == HostError::Kind::refused);
    REQUIRE(std::string(error.what()) ==
            "cannot talk to libvirt at \"" + uri +
                "\": it is not the URI of a local libvirt; correct host.libvirt_uri in the spec: "
                "the usual one is qemu:///system; of parameters there is ?socket=/PATH alone");
  }
  unsetenv("LIBVIRT_DEFAULT_URI");
  REQUIRE_FALSE(std::filesystem::exists(directory / "was-run"));
}

TEST_CASE("one hypervisor serves many threads") {
  const Libvirt libvirt;
  libvirt->domains();  // keeps the driver's objects
  std::vector<std::thread> threads;
  std::vector<int> right(8, 0);
  for (std::size_t i = 0; i < right.size(); ++i) {
    threads.emplace_back([&, i] {
      const std::string name = "volume-" + std::to_string(i);
      for (int n = 0; n < 20; ++n) {
        libvirt->create_volume(pool_name, name, 1, "");
        right[i] += libvirt->volume(pool_name, name) && libvirt->domain("test") ? 1 : 0;
        libvirt->delete_volume(pool_name, name);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  REQUIRE(right == std::vector<int>(8, 20));
}
