// What libvirt's test driver cannot do, on a libvirtd. Hidden: run `unit_host_libvirt "[libvirtd]"` with
// GPUPLAN_TEST_LIBVIRT_URI and GPUPLAN_TEST_POOL_PATH, a directory that libvirtd may make and the test may
// read. GPUPLAN_TEST_LIBVIRT_RESTART is a command that restarts the daemon and returns when it listens.
#include <csignal>
#include <cstdlib>

#include "digest/digest.h"
#include "host/libvirt/libvirt_hypervisor.h"
#include "support/catch.h"
#include "support/host_error_of.h"
#include "support/host_files.h"

using namespace gpuplan;

namespace {

constexpr const char* pool = "gpuplan-test";

std::string setting(const char* name) {
  const char* value = std::getenv(name);
  INFO(name << " is not set");
  REQUIRE(value != nullptr);
  return value;
}

// A pool of the test's own, gone with it.
struct Storage {
  Storage() {
    remove();
    hypervisor->define_pool(pool, path);
  }
  ~Storage() { remove(); }
  Storage(const Storage&) = delete;
  Storage& operator=(const Storage&) = delete;

  void remove() {
    if (!hypervisor->pool(pool)) return;
    for (const VolumeState& volume : hypervisor->volumes(pool)) hypervisor->delete_volume(pool, volume.name);
    hypervisor->remove_pool(pool);
  }

  std::string path = setting("GPUPLAN_TEST_POOL_PATH");
  std::unique_ptr<Hypervisor> hypervisor = make_libvirt_hypervisor(setting("GPUPLAN_TEST_LIBVIRT_URI"), "");
};

}  // namespace

TEST_CASE("libvirtd: an uploaded volume has the content, and is replaced by the next", "[.][libvirtd]") {
  Storage storage;
  std::string content(3'000'001, '\0');
  for (std::size_t i = 0; i < content.size(); ++i) content[i] = static_cast<char>(i * 7 % 251);
  storage.hypervisor->upload_volume(pool, "seed.iso", content);
  REQUIRE(content_of(storage.path + "/seed.iso") == content);
  REQUIRE(storage.hypervisor->volume(pool, "seed.iso")->capacity_bytes == 3'000'001);
  storage.hypervisor->upload_volume(pool, "seed.iso", "short");
  REQUIRE(content_of(storage.path + "/seed.iso") == "short");
  REQUIRE(storage.hypervisor->volumes(pool).size() == 1);
}

TEST_CASE("libvirtd: a base image is copied with its format, and carries disks", "[.][libvirtd]") {
  Storage storage;
  Hypervisor& hypervisor = *storage.hypervisor;
  // A qcow2 file to begin with.
  hypervisor.create_volume(pool, "made.qcow2", 2LL << 30, "");
  const std::string image = content_of(storage.path + "/made.qcow2");
  const TemporaryDirectory directory;
  make_file(directory / "image", image);
  const auto fetch = [&](const std::string& sha256) {
    hypervisor.fetch_image(pool, "base.img", {"", directory / "image", sha256, std::chrono::seconds(60), {}});
  };
  REQUIRE(host_error_of([&] { fetch(std::string(64, '0')); }).kind() == HostError::Kind::refused);
  REQUIRE_FALSE(hypervisor.volume(pool, "base.img"));
  REQUIRE_FALSE(std::filesystem::exists(storage.path + "/base.img"));
  REQUIRE_FALSE(std::filesystem::exists(storage.path + "/base.img.incomplete"));
  fetch(sha256_hex(image));
  fetch(std::string(64, '0'));  // present
  REQUIRE(content_of(storage.path + "/base.img") == image);
  const auto base = hypervisor.volume(pool, "base.img");
  REQUIRE(base);
  REQUIRE(base->format == "qcow2");
  REQUIRE(base->capacity_bytes == 2LL << 30);

  hypervisor.create_volume(pool, "disk.qcow2", 8LL << 30, base->path);
  const auto disk = hypervisor.volume(pool, "disk.qcow2");
  REQUIRE(disk->backing_path == base->path);
  REQUIRE(disk->capacity_bytes == 8LL << 30);
  hypervisor.grow_volume(pool, "disk.qcow2", 16LL << 30);
  REQUIRE(hypervisor.volume(pool, "disk.qcow2")->capacity_bytes == 16LL << 30);
}

TEST_CASE("libvirtd: an image that was half copied is copied again", "[.][libvirtd]") {
  Storage storage;
  Hypervisor& hypervisor = *storage.hypervisor;
  const TemporaryDirectory directory;
  make_file(directory / "image", "the whole image");
  // What a copy leaves that was killed.
  hypervisor.create_volume(pool, "base.img.incomplete", 1, "");
  hypervisor.create_volume(pool, "base.img", 1 << 20, "");
  REQUIRE_FALSE(hypervisor.volume(pool, "base.img"));
  hypervisor.fetch_image(pool, "base.img", {"", directory / "image", "", std::chrono::seconds(60), {}});
  REQUIRE(hypervisor.volume(pool, "base.img"));
  REQUIRE(content_of(storage.path + "/base.img") == "the whole image");
  REQUIRE_FALSE(std::filesystem::exists(storage.path + "/base.img.incomplete"));
}

TEST_CASE("libvirtd: a copy past its time limit leaves nothing", "[.][libvirtd]") {
  Storage storage;
  const TemporaryDirectory directory;
  make_file(directory / "image", std::string(4U << 20U, 'x'));
  const HostError error = host_error_of([&] {
    storage.hypervisor->fetch_image(pool, "base.img", {"", directory / "image", "", std::chrono::seconds(0), {}});
  });
  REQUIRE(error.kind() == HostError::Kind::timed_out);
  REQUIRE(storage.hypervisor->volumes(pool).empty());
  REQUIRE(std::filesystem::is_empty(storage.path));
}

TEST_CASE("libvirtd: a pool that is removed leaves its directory and files", "[.][libvirtd]") {
  Storage storage;
  storage.hypervisor->upload_volume(pool, "seed.iso", "kept");
  storage.hypervisor->remove_pool(pool);
  REQUIRE(content_of(storage.path + "/seed.iso") == "kept");
  storage.hypervisor->define_pool(pool, storage.path);
  REQUIRE(storage.hypervisor->volume(pool, "seed.iso"));
}

TEST_CASE("libvirtd: a connection that broke is made again", "[.][libvirtd]") {
  Storage storage;
  std::signal(SIGPIPE, SIG_IGN);
  storage.hypervisor->upload_volume(pool, "seed.iso", "kept");
  REQUIRE(std::system(setting("GPUPLAN_TEST_LIBVIRT_RESTART").c_str()) == 0);
  REQUIRE(storage.hypervisor->volume(pool, "seed.iso"));
  REQUIRE_NOTHROW(storage.hypervisor->upload_volume(pool, "other.iso", "new"));
}
