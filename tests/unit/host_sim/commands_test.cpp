// The programs of a simulated host.
#include "bench.h"
#include "json/json.h"

using namespace gpuplan;
using namespace gpuplan::testing;

namespace {
Command argv(std::vector<std::string> words) { return {std::move(words), "", limit}; }
}  // namespace

TEST_CASE("a query that would change the host is refused, and changes nothing") {
  Bench bench;
  auto host = bench.open();
  for (const auto& words : std::vector<std::vector<std::string>>{{"systemctl", "stop", "libvirtd.service"},
                                                                 {"modprobe", "vfio-pci"},
                                                                 {"nvidia-smi", "-pm", "1"},
                                                                 {"fmpm", "-a", "1"}}) {
    const HostError error = error_of([&] { host->query(argv(words)); });
    CHECK(error.kind() == HostError::Kind::refused);
    CHECK(error.what() == "`" + join_argv(words) + "` changes the host; it may not run as a query");
  }
  CHECK(bench.model().empty());
  CHECK(host->query(argv({"systemctl", "is-active", "libvirtd"})).output == "active\n");
}

TEST_CASE("a program that is not installed cannot be run") {
  Bench bench;
  auto host = bench.open();
  const HostError error = error_of([&] { host->query(argv({"terraform", "plan"})); });
  CHECK(error.kind() == HostError::Kind::not_found);
  CHECK(error.what() == std::string("cannot run terraform: no such file or directory"));
  CHECK(host->query(argv({"which", "fmpm"})).output == "/usr/bin/fmpm\n");
  bench.change(", nvidia-fabricmanager-580", "");
  host = bench.open();
  CHECK(error_of([&] { host->query(argv({"fmpm", "-l"})); }).kind() == HostError::Kind::not_found);
  CHECK(host->query(argv({"which", "fmpm"})).exit_status == 1);
}

TEST_CASE("systemctl answers as systemd does") {
  Bench bench;
  auto host = bench.open();
  CHECK(host->query(argv({"systemctl", "is-active", "nvidia-persistenced"})).exit_status == 3);
  CHECK(host->query(argv({"systemctl", "is-enabled", "libvirtd"})).output == "enabled\n");
  CHECK(host->query(argv({"systemctl", "show", "-p", "ActiveState,LoadState", "libvirtd.service"})).output ==
        "ActiveState=active\nLoadState=loaded\n");
  CHECK(host->query(argv({"systemctl", "show", "--property=LoadState", "--value", "nothing.service"})).output ==
        "not-found\n");
  const CommandResult stopped = host->run(argv({"systemctl", "stop", "nothing"}));
  CHECK(stopped.exit_status == 5);
  CHECK(stopped.errors == "Failed to stop nothing.service: Unit nothing.service not loaded.\n");
}

TEST_CASE("a unit file makes a unit, and leaves nothing behind") {
  Bench bench;
  auto host = bench.open();
  const std::string file = "/etc/systemd/system/gpuplan-bind.service";
  host->files().put_file(file, "[Service]\n", 0644);
  const std::string before = slurp(bench.model());
  REQUIRE(host->run(argv({"systemctl", "daemon-reload"})).ok());
  REQUIRE(host->run(argv({"systemctl", "enable", "--now", "gpuplan-bind.service"})).ok());
  CHECK(host->query(argv({"systemctl", "is-active", "gpuplan-bind.service"})).output == "active\n");
  REQUIRE(host->run(argv({"systemctl", "disable", "--now", "gpuplan-bind.service"})).ok());
  CHECK(slurp(bench.model()) == before);
}

TEST_CASE("modprobe knows what there is, and what is in use") {
  Bench bench;
  auto host = bench.open();
  CHECK(host->query(argv({"modprobe", "-n", "vfio-pci"})).ok());
  CHECK(host->query(argv({"modprobe", "-n", "nouveau"})).errors ==
        "modprobe: FATAL: Module nouveau not found in directory /lib/modules/6.8.0-71-generic\n");
  REQUIRE(host->run(argv({"modprobe", "vfio-pci"})).ok());
  CHECK(host->files().kind("/dev/vfio/vfio") == FileKind::file);
  CHECK(host->files().kind("/sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts") == FileKind::file);
  CHECK(host->run(argv({"modprobe", "-r", "nvidia"})).errors == "modprobe: FATAL: Module nvidia is in use.\n");
  CHECK(driver_of(*host, gpu) == "nvidia");
}

TEST_CASE("nvidia-smi sees the GPUs that nvidia has, and their module ids") {
  Bench bench;
  auto host = bench.open();
  CHECK_THAT(host->query(argv({"nvidia-smi", "-q", "-i", "0000:43:00.0"})).output, contains("Module ID                             : 8\n"));
  REQUIRE(host->run(argv({"nvidia-smi", "-i", gpu, "-pm", "1"})).ok());
  CHECK(host->query(argv({"nvidia-smi", "--query-gpu=pci.bus_id,persistence_mode", "--format=csv,noheader", "-i", "0"})).output ==
        "00000000:0A:00.0, Enabled\n");
  bind_to_vfio(*host, gpu);
  CHECK(host->query(argv({"nvidia-smi", "-i", gpu, "-q"})).exit_status == 6);
}

TEST_CASE("Fabric Manager lists partitions by module id, and switches them one at a time") {
  Bench bench;
  auto host = bench.open();
  const Json list = parse_json(host->query(argv({"fmpm", "-l"})).output, "fmpm");
  REQUIRE(int_at(list, "/numPartitions") == 15);
  CHECK(string_at(list, "/partitionInfo/2/gpuInfo/0/pciBusId", "?").empty());
  CHECK(int_at(list, "/partitionInfo/2/gpuInfo/0/physicalId") == 5);
  REQUIRE(host->run(argv({"fmpm", "-a", "2"})).ok());
  const CommandResult refused = host->run(argv({"fmpm", "-a", "0"}));
  CHECK(refused.output == "Failed to activate partition. fmReturn: -7\n");
  CHECK(refused.exit_status == 249);
  CHECK(host->run(argv({"fmpm", "-a", "2"})).output == "Failed to activate partition. fmReturn: -7\n");
  CHECK(host->run(argv({"fmpm", "-d", "1"})).output == "Failed to deactivate partition. fmReturn: -4\n");
  REQUIRE(host->run(argv({"fmpm", "-a", "1"})).ok());
  REQUIRE(host->run(argv({"fmpm", "-d", "2"})).ok());
  host->run(argv({"systemctl", "stop", "nvidia-fabricmanager"}));
  CHECK_FALSE(host->query(argv({"fmpm", "-l"})).ok());
}

TEST_CASE("nvidia-smi shows a GPU in MIG mode, and stat who may use /dev/kvm") {
  Bench bench;
  bench.change("module_id: 8, default_driver: nvidia,", "module_id: 8, default_driver: nvidia, mig: true,");
  auto host = bench.open();
  CHECK_THAT(host->query(argv({"nvidia-smi", "-i", "0000:43:00.0", "-q"})).output,
             contains("MIG Mode\n        Current                           : Enabled\n"));
  CHECK_THAT(host->query(argv({"nvidia-smi", "-i", "0000:0a:00.0", "-q"})).output,
             contains("MIG Mode\n        Current                           : Disabled\n"));
  CHECK(host->query(argv({"stat", "-L", "-c", "%a %U %G", "/dev/kvm"})).output == "660 root kvm\n");
  CHECK_FALSE(host->query(argv({"stat", "-L", "-c", "%a %U %G", "/dev/nothing"})).ok());
}

TEST_CASE("dpkg-query knows the packages") {
  Bench bench;
  auto host = bench.open();
  CHECK(host->query(argv({"dpkg-query", "-W", "-f=${db:Status-Status}", "ovmf"})).output == "installed");
  CHECK(host->query(argv({"dpkg-query", "-W", "vim"})).exit_status == 1);
}
