// What the kernel does when the files of the PCI bus are written.
#include "bench.h"
#include "support/host_error_of.h"

using namespace gpuplan;
using namespace gpuplan::testing;

TEST_CASE("a GPU moves to vfio-pci by override, unbind and probe, and back again") {
  Bench bench;
  auto host = bench.open();
  REQUIRE(driver_of(*host, gpu) == "nvidia");
  REQUIRE(host->files().kind("/dev/nvidia0") == FileKind::file);
  REQUIRE(host->files().kind("/dev/vfio/30") == FileKind::none);

  bind_to_vfio(*host, gpu);
  CHECK(driver_of(*host, gpu) == "vfio-pci");
  CHECK(host->files().kind("/dev/vfio/30") == FileKind::file);
  CHECK(host->files().kind("/dev/nvidia0") == FileKind::none);
  CHECK(host->files().kind("/proc/driver/nvidia/gpus/" + gpu) == FileKind::none);
  CHECK(host->files().kind(pci + "drivers/vfio-pci/" + gpu) == FileKind::symlink);
  CHECK(host->files().kind(pci + "drivers/nvidia/" + gpu) == FileKind::none);

  CHECK(host->files().read(device_file(gpu, "power/control")) == "auto\n");
  CHECK(host->files().read(device_file(gpu, "power_state")) == "D3hot\n");
  host->files().write(device_file(gpu, "power/control"), "on\n", limit);
  CHECK(host->files().read(device_file(gpu, "power_state")) == "D0\n");
  CHECK(host_error_of([&] { host->files().write(device_file(gpu, "power/control"), "off", limit); }).kind() ==
        HostError::Kind::failed);

  host->files().write(device_file(gpu, "power/control"), "auto", limit);
  host->files().write(pci + "drivers/vfio-pci/unbind", gpu + "\n", limit);
  CHECK(driver_of(*host, gpu).empty());
  CHECK(host->files().read(device_file(gpu, "power/control")) == "on\n");
  host->files().write(device_file(gpu, "driver_override"), "\n", limit);
  host->files().write(pci + "drivers_probe", gpu, limit);
  CHECK(driver_of(*host, gpu) == "nvidia");
  CHECK(host->files().read(device_file(gpu, "driver_override")) == "(null)\n");
}

TEST_CASE("only a line end clears an override: the kernel drops an empty write") {
  Bench bench;
  auto host = bench.open();
  const std::string path = device_file(gpu, "driver_override");
  host->files().write(path, "vfio-pci", limit);
  CHECK(host->files().read(path) == "vfio-pci\n");
  host->files().write(path, "", limit);
  CHECK(host->files().read(path) == "vfio-pci\n");
  host->files().write(path, "\n", limit);
  CHECK(host->files().read(path) == "(null)\n");
}

TEST_CASE("an override alone moves nothing") {
  Bench bench;
  auto host = bench.open();
  host->run({{"modprobe", "vfio-pci"}, "", limit});
  host->files().write(device_file(gpu, "driver_override"), "vfio-pci", limit);
  host->files().write(pci + "drivers_probe", gpu, limit);
  CHECK(driver_of(*host, gpu) == "nvidia");
}

TEST_CASE("an override to a driver that is not loaded leaves the function without one") {
  Bench bench;
  auto host = bench.open();
  host->files().write(device_file(gpu, "driver_override"), "vfio-pci", limit);
  host->files().write(pci + "drivers/nvidia/unbind", gpu, limit);
  host->files().write(pci + "drivers_probe", gpu, limit);
  CHECK(driver_of(*host, gpu).empty());
  CHECK(host->files().kind(pci + "drivers/vfio-pci") == FileKind::none);

  SECTION("and loading the module lets it take the function") {
    REQUIRE(host->run({{"modprobe", "vfio-pci"}, "", limit}).ok());
    CHECK(driver_of(*host, gpu) == "vfio-pci");
  }
}

TEST_CASE("bind and unbind refuse what does not fit, with the kernel's words") {
  Bench bench;
  auto host = bench.open();
  host->run({{"modprobe", "vfio-pci"}, "", limit});
  FileSystem& files = host->files();

  SECTION("bind without an override and without an identifier") {
    files.write(pci + "drivers/nvidia/unbind", gpu, limit);
    const HostError error = error_of([&] { files.write(pci + "drivers/vfio-pci/bind", gpu, limit); });
    CHECK(error.kind() == HostError::Kind::not_found);
    CHECK(error.what() == std::string("cannot write /sys/bus/pci/drivers/vfio-pci/bind: no such device"));
  }
  SECTION("bind of a function that has a driver") {
    files.write(device_file(gpu, "driver_override"), "vfio-pci", limit);
    const HostError error = error_of([&] { files.write(pci + "drivers/vfio-pci/bind", gpu, limit); });
    CHECK(error.kind() == HostError::Kind::busy);
    CHECK(error.what() == std::string("cannot write /sys/bus/pci/drivers/vfio-pci/bind: device or resource busy"));
  }
  SECTION("bind with an override") {
    files.write(device_file(gpu, "driver_override"), "vfio-pci", limit);
    files.write(pci + "drivers/nvidia/unbind", gpu, limit);
    files.write(pci + "drivers/vfio-pci/bind", gpu, limit);
    CHECK(driver_of(*host, gpu) == "vfio-pci");
  }
  SECTION("unbind from a driver that does not have it") {
    const HostError error = error_of([&] { files.write(pci + "drivers/vfio-pci/unbind", gpu, limit); });
    CHECK(error.what() == std::string("cannot write /sys/bus/pci/drivers/vfio-pci/unbind: no such device"));
  }
  SECTION("an address that does not exist") {
    CHECK(error_of([&] { files.write(pci + "drivers_probe", "0000:ff:00.0", limit); }).what() ==
          std::string("cannot write /sys/bus/pci/drivers_probe: no such device"));
    CHECK(error_of([&] { files.write(device_file("0000:ff:00.0", "driver_override"), "x", limit); }).what() ==
          std::string("cannot write /sys/bus/pci/devices/0000:ff:00.0/driver_override: no such file or directory"));
    CHECK(error_of([&] { files.write(pci + "drivers/nouveau/unbind", gpu, limit); }).kind() == HostError::Kind::not_found);
  }
  SECTION("a read-only attribute") {
    const HostError error = error_of([&] { files.write(device_file(gpu, "vendor"), "0x10de", limit); });
    CHECK(error.kind() == HostError::Kind::denied);
    CHECK(error.what() == "cannot write " + device_file(gpu, "vendor") + ": permission denied");
  }
}

TEST_CASE("new_id claims every card of the model") {
  Bench bench;
  auto host = bench.open();
  host->run({{"modprobe", "vfio-pci"}, "", limit});
  for (const char* each : {"0000:0a:00.0", "0000:18:00.0"}) host->files().write(pci + "drivers/nvidia/unbind", each, limit);
  host->files().write(pci + "drivers/vfio-pci/new_id", "10de 2330", limit);
  CHECK(driver_of(*host, "0000:0a:00.0") == "vfio-pci");
  CHECK(driver_of(*host, "0000:18:00.0") == "vfio-pci");
  CHECK(driver_of(*host, "0000:3a:00.0") == "nvidia");
  CHECK(error_of([&] { host->files().write(pci + "drivers/vfio-pci/new_id", "10de 2330", limit); }).what() ==
        std::string("cannot write /sys/bus/pci/drivers/vfio-pci/new_id: file exists"));
  host->files().write(pci + "drivers/vfio-pci/remove_id", "10de 2330", limit);
}

TEST_CASE("vfio-pci takes neither bridges nor functions without an IOMMU group") {
  Bench bench;
  const std::string bridge = "0000:02:00.0";
  SECTION("a bridge") {
    auto host = bench.open();
    bind_to_vfio(*host, bridge);
    CHECK(driver_of(*host, bridge).empty());
    CHECK(error_of([&] { host->files().write(pci + "drivers/vfio-pci/bind", bridge, limit); }).what() ==
          std::string("cannot write /sys/bus/pci/drivers/vfio-pci/bind: invalid argument"));
  }
  SECTION("a GPU on a host whose IOMMU is off") {
    bench.change("enabled: true, interrupt_remapping", "enabled: false, interrupt_remapping");
    auto host = bench.open();
    bind_to_vfio(*host, gpu);
    CHECK(driver_of(*host, gpu).empty());
  }
}

TEST_CASE("the unbind of a GPU that a process holds never ends, and wedges the function") {
  Bench bench("busy.yaml");
  auto host = bench.open();
  const std::string held = "0000:3a:00.0";
  const std::int64_t before = host->clock().now();
  const std::string path = pci + "drivers/nvidia/unbind";
  const HostError error = error_of([&] { host->files().write(path, held, std::chrono::seconds(90)); });
  CHECK(error.kind() == HostError::Kind::timed_out);
  CHECK(error.subject() == path);
  CHECK(error.what() ==
        "cannot write " + path + ": no answer within 90 s; the call may still be stuck in the kernel");
  CHECK(host->clock().now() == before + 90);

  // Its lock is held for good: by every later writer and reader, also when the process is gone.
  REQUIRE(host->run({{"systemctl", "stop", "training.service"}, "", limit}).ok());
  for (const char* name : {"driver_override", "driver"}) {
    CHECK(error_of([&] { host->files().read_link(device_file(held, "driver")); }).kind() == HostError::Kind::timed_out);
    CHECK(error_of([&] { host->files().write(device_file(held, "driver_override"), name, limit); }).kind() ==
          HostError::Kind::timed_out);
  }
  CHECK(error_of([&] { host->files().read(device_file(held, "driver_override")); }).kind() == HostError::Kind::timed_out);
  CHECK(host->files().read(device_file(held, "vendor")) == "0x10de\n");
  host.reset();
  auto later = bench.open();
  CHECK(error_of([&] { later->files().write(pci + "drivers_probe", held, limit); }).kind() == HostError::Kind::timed_out);
}

TEST_CASE("the unbind lock is refused while a process holds the GPU, and keeps others out once taken") {
  Bench bench("busy.yaml");
  auto host = bench.open();
  const auto lock_of = [](const std::string& bdf) { return "/proc/driver/nvidia/gpus/" + bdf + "/unbindLock"; };
  const std::string by_service = "0000:90:00.0";

  host->files().write(lock_of(by_service), "1", limit);
  CHECK(host->files().read(lock_of(by_service)) == "0\n");
  REQUIRE(host->run({{"systemctl", "stop", "nvidia-persistenced"}, "", limit}).ok());
  host->files().write(lock_of(by_service), "1", limit);
  CHECK(host->files().read(lock_of(by_service)) == "1\n");

  // A service that starts now cannot open it.
  REQUIRE(host->run({{"systemctl", "start", "nvidia-persistenced"}, "", limit}).ok());
  bind_to_vfio(*host, by_service);
  CHECK(driver_of(*host, by_service) == "vfio-pci");
}

TEST_CASE("a driver built without vGPU support has no unbind lock") {
  Bench bench;
  bench.change("pci:\n", "nvidia: {unbind_lock: false}\npci:\n");
  auto host = bench.open();
  CHECK(host->files().kind("/proc/driver/nvidia/gpus/" + gpu + "/information") == FileKind::file);
  CHECK(host->files().kind("/proc/driver/nvidia/gpus/" + gpu + "/unbindLock") == FileKind::none);
}

TEST_CASE("a function that hangs does so whoever holds it") {
  Bench bench;
  bench.change("iommu_group: 30, ", "iommu_group: 30, hangs: true, ");
  auto host = bench.open();
  const HostError error = error_of([&] { host->files().write(pci + "drivers/nvidia/unbind", gpu, limit); });
  CHECK(error.kind() == HostError::Kind::timed_out);
}

TEST_CASE("an audio function whose sound card is open does not let go, and a stick on its USB port shows where it hangs") {
  Bench bench("rtx4.yaml");
  bench.change("iommu_group: 12, default_driver: snd_hda_intel, bars: {0: 16K}",
               "iommu_group: 12, default_driver: snd_hda_intel, bars: {0: 16K}, sound: [controlC1, pcmC1D3p]");
  bench.change("iommu_group: 12, default_driver: xhci_hcd,", "iommu_group: 12, default_driver: xhci_hcd, block: [sdb],");
  bench.change("\nprocesses:\n", "\nprocesses:\n  - {pid: 900, comm: pipewire, files: [/dev/snd/controlC1]}\n");
  auto host = bench.open();
  const std::string device = "/sys/bus/pci/devices/0000:01:00.1";
  CHECK(host->files().list(device + "/sound/card1") == std::vector<std::string>{"controlC1", "pcmC1D3p"});
  CHECK(host->files().list("/dev/snd") == std::vector<std::string>{"controlC1", "pcmC1D3p"});
  CHECK_THAT(host->files().read_link("/sys/class/block/sdb"), contains("/0000:01:00.2/usb1/1-1/"));
  const HostError error = error_of([&] { host->files().write(device + "/driver/unbind", "0000:01:00.1", limit); });
  CHECK(error.kind() == HostError::Kind::timed_out);
}
