// vm-define: what each change does, and that each stage can be taken back from wherever it stopped.
#include <algorithm>

#include "vm_define_rig.h"

using namespace vm_define_fake;

namespace {

bool called(const FakeHost& host, const std::string& call) {
  return std::find(host.calls.made.begin(), host.calls.made.end(), call) != host.calls.made.end();
}

const std::string image = "gpuplan-base-noble-server-cloudimg-amd64-";

}  // namespace

TEST_CASE("vm-define creates VMs with everything they share, once") {
  Rig rig;
  for (const char* name : {"gpu-control-plane", "gpu-worker-1", "gpu-worker-2"}) {
    const Change change = rig.plan(name);
    CHECK(change.action == Action::create);
    CHECK(change.reversible());
    rig.run(change);
  }
  const auto made = [&](const std::string& prefix) {
    return std::count_if(rig.host.calls.made.begin(), rig.host.calls.made.end(),
                         [&](const std::string& call) { return call.rfind(prefix, 0) == 0; });
  };
  CHECK(made("define_pool") == 1);
  CHECK(made("fetch_image https://cloud-images.ubuntu.com/noble/current/noble-server-cloudimg-amd64.img") == 1);
  CHECK(made("define_network") == 1);
  CHECK(made("create_volume") == 3);
  CHECK(made("upload_volume") == 3);

  const DomainDefinition worker = rig.domain("gpu-worker-1");
  CHECK(worker.owner.cluster == "gpu");
  CHECK(worker.memory_mib == 204800);
  CHECK(worker.devices.size() == 4);
  CHECK(worker.numa_node == 0);
  CHECK(worker.cpu_list == "0-55,112-167");
  CHECK(worker.mmio64_window_mib == 1024 * 1024);
  CHECK(worker.locked_memory);
  CHECK_FALSE(worker.physical_address_bits);
  CHECK(worker.node_address == "192.168.130.21");
  CHECK_FALSE(rig.domain("gpu-control-plane").locked_memory);
  const auto disk = rig.host.hypervisor().volume("gpuplan", "gpu-worker-1.qcow2");
  REQUIRE(disk);
  CHECK(disk->capacity_bytes == 500LL << 30);
  CHECK_THAT(disk->backing_path, contains("/var/lib/gpuplan/images/" + image));
}

TEST_CASE("a second apply of vm-define changes nothing") {
  Rig rig;
  rig.create_all();
  for (const char* name : {"gpu-control-plane", "gpu-worker-1", "gpu-worker-2"}) {
    const Change change = rig.plan(name);
    INFO(name << ": " << (change.reasons.empty() ? "" : change.reasons.front()));
    CHECK(change.action == Action::none);
  }
}

TEST_CASE("vm-define restarts a guest for more memory and keeps its UUID") {
  Rig rig;
  rig.create_all();
  const std::string uuid = rig.host.hypervisor().domain("gpu-worker-1")->uuid;
  rig.worker(0).resources.memory_mib = 409600;
  const Change change = rig.plan("gpu-worker-1");
  CHECK(change.action == Action::update);
  CHECK(change.has_withdraw);
  CHECK_FALSE(change.has_commit);
  CHECK(change.reasons == std::vector<std::string>{"`memory` is 204800 MiB, the spec says 409600 MiB"});
  CHECK(change.notes == std::vector<std::string>{"gpu-worker-1 restarts",
                                                 "memory and cpus take effect at the restart that this apply does"});
  rig.run(change);
  CHECK(rig.host.calls.made == std::vector<std::string>{"shut_down_domain gpu-worker-1", "define_domain gpu-worker-1",
                                                        "start_domain gpu-worker-1"});
  CHECK(rig.domain("gpu-worker-1").memory_mib == 409600);
  CHECK(rig.host.hypervisor().domain("gpu-worker-1")->uuid == uuid);
  CHECK(rig.plan("gpu-worker-1").action == Action::none);
}

TEST_CASE("a guest that is off is only started") {
  Rig rig;
  rig.create_all();
  rig.host.hypervisor().require_domain("gpu-worker-1").power = PowerState::off;
  const Change change = rig.plan("gpu-worker-1");
  CHECK(change.action == Action::update);
  CHECK_FALSE(change.has_withdraw);
  rig.run(change);
  CHECK(rig.host.hypervisor().domain("gpu-worker-1")->power == PowerState::running);
}

TEST_CASE("two workers swap GPUs: both let go before either takes") {
  Rig rig;
  rig.create_all();
  rig.worker(0).gpu_indexes = {0, 1, 2, 7};
  rig.worker(1).gpu_indexes = {3, 4, 5, 6};
  const Step one = rig.begin(rig.plan("gpu-worker-1"));
  const Step two = rig.begin(rig.plan("gpu-worker-2"));
  CHECK(one.change.has_withdraw);
  CHECK(two.change.has_withdraw);
  const std::string before = rig.host.picture();
  rig.withdraw(one);
  rig.withdraw(two);
  rig.apply(two);
  rig.apply(one);
  CHECK(rig.plan("gpu-worker-1").action == Action::none);
  CHECK(rig.plan("gpu-worker-2").action == Action::none);
  // GPUs on both nodes: the VM is not placed on either.
  CHECK_FALSE(rig.domain("gpu-worker-1").numa_node);

  rig.undo(one, Stage::apply);
  rig.undo(two, Stage::apply);
  rig.undo(two, Stage::withdraw);
  rig.undo(one, Stage::withdraw);
  CHECK(rig.host.picture() == before);
}

TEST_CASE("a removed worker takes its disk along in the commit, and nobody else's") {
  Rig rig;
  const std::string empty = rig.host.picture();
  rig.create_all();
  const Change change = rig.plan_removal("gpu-worker-1");
  CHECK(change.irreversible == std::vector<std::string>{"the disk of gpu-worker-1 is deleted"});
  CHECK(change.has_commit);
  const Step step = rig.begin(change);
  rig.withdraw(step);
  CHECK_FALSE(rig.host.hypervisor().domain("gpu-worker-1"));
  CHECK(rig.host.hypervisor().volume("gpuplan", "gpu-worker-1.qcow2"));
  rig.commit(step);
  CHECK_FALSE(rig.host.hypervisor().volume("gpuplan", "gpu-worker-1.qcow2"));
  CHECK_FALSE(rig.host.hypervisor().volume("gpuplan", "gpu-worker-1_seed.iso"));
  CHECK(rig.host.hypervisor().volume("gpuplan", "gpu-worker-2.qcow2"));
  CHECK(rig.host.hypervisor().network("gpu-k8s-net"));
  CHECK(rig.host.hypervisor().pool("gpuplan"));

  rig.run(rig.plan_removal("gpu-control-plane"));
  rig.run(rig.plan_removal("gpu-worker-2"));
  CHECK(rig.host.picture() == empty);
}

TEST_CASE("what gpuplan did not make stays when the last VM goes") {
  Rig rig;
  rig.host.file_system.directories.insert("/var/lib/gpuplan");
  rig.host.file_system.directories.insert("/var/lib/gpuplan/images");
  rig.host.fake_hypervisor.pools["gpuplan"].path = "/var/lib/gpuplan/images";
  rig.host.fake_hypervisor.add_volume("gpuplan", {"windows.qcow2", "", 1, "", "qcow2"}, false);
  NetworkDefinition network;
  network.name = "gpu-k8s-net";
  network.address = "192.168.130.1";
  network.netmask = "255.255.255.0";
  rig.host.fake_hypervisor.all_networks["gpu-k8s-net"] = {"gpu-k8s-net", "u", true, true, render_network(network)};
  const std::string before = rig.host.picture();
  rig.create_all();
  for (const char* name : {"gpu-control-plane", "gpu-worker-1", "gpu-worker-2"}) rig.run(rig.plan_removal(name));
  CHECK(rig.host.picture() == before);
}

TEST_CASE("a base image that another cluster has fetched, or a VM of somebody else runs from, stays when the last VM goes") {
  Rig rig;
  const char* const others = "gpuplan-base-theirs-0123456789ab.img";
  rig.create_all();
  const std::string own = rig.observe("gpu-worker-1").attributes.text("image");
  rig.host.hypervisor().fetch_image("gpuplan", others, {"https://example.org/images/theirs.img", {}, {}, {}, {}});
  SECTION("another cluster's, before it has made a disk on it") {}
  SECTION("one from which a VM was started by hand") {
    DomainDefinition handmade = rig.domain("gpu-worker-1");
    handmade.name = "handmade";
    handmade.uuid.clear();
    handmade.owner = {};
    handmade.devices.clear();
    handmade.disks.resize(1);
    handmade.disks[0].path = "/var/lib/gpuplan/images/" + own;
    rig.host.hypervisor().define_domain(render_domain(handmade));
  }
  const bool used = rig.host.hypervisor().domain("handmade").has_value();
  for (const char* name : {"gpu-control-plane", "gpu-worker-1", "gpu-worker-2"}) rig.run(rig.plan_removal(name));
  CHECK(rig.host.hypervisor().volume("gpuplan", others));
  CHECK(rig.host.hypervisor().volume("gpuplan", own).has_value() == used);
}

TEST_CASE("a replaced VM gets a new disk beside the old one, which goes in the commit") {
  Rig rig;
  rig.create_all();
  rig.spec.image.url = "https://example.org/images/other.qcow2";
  const Change change = rig.plan("gpu-worker-1");
  CHECK(change.action == Action::replace);
  CHECK(change.irreversible == std::vector<std::string>{"the old disk of gpu-worker-1 is deleted"});
  const Step step = rig.run(change, false);
  CHECK(rig.host.hypervisor().volume("gpuplan", "gpu-worker-1.qcow2"));
  CHECK(rig.host.hypervisor().volume("gpuplan", "gpu-worker-1_2.qcow2"));
  CHECK(rig.domain("gpu-worker-1").disks.at(0).path == "/var/lib/gpuplan/images/gpu-worker-1_2.qcow2");
  rig.commit(step);
  CHECK_FALSE(rig.host.hypervisor().volume("gpuplan", "gpu-worker-1.qcow2"));
  CHECK_FALSE(rig.host.hypervisor().volume("gpuplan", "gpu-worker-1_seed.iso"));
  CHECK(rig.host.hypervisor().volume("gpuplan", "gpu-worker-1_2_seed.iso"));
  CHECK(rig.plan("gpu-worker-1").action == Action::none);

  // The old base image goes with the last disk on it.
  rig.run(rig.plan("gpu-worker-2"));
  rig.run(rig.plan("gpu-control-plane"));
  std::size_t images = 0;
  for (const VolumeState& volume : rig.host.hypervisor().volumes("gpuplan"))
    images += volume.name.rfind("gpuplan-base-", 0) == 0;
  CHECK(images == 1);
}

TEST_CASE("a disk grows in the commit phase, because it cannot shrink again") {
  Rig rig;
  rig.create_all();
  rig.worker(0).resources.disk_gib = 600;
  const Change change = rig.plan("gpu-worker-1");
  CHECK(change.action == Action::update);
  CHECK(change.withdraw_is_irreversible);
  CHECK(change.irreversible ==
        std::vector<std::string>{"the disk of gpu-worker-1 grows from 500 to 600 GiB and cannot shrink again"});
  rig.run(change);
  CHECK(called(rig.host, "grow_volume gpu-worker-1.qcow2"));
  CHECK(rig.plan("gpu-worker-1").action == Action::none);
}

TEST_CASE("a guest that does not follow the shutdown loses its power") {
  Rig rig;
  rig.create_all();
  rig.host.fake_hypervisor.deaf.insert("gpu-worker-1");
  rig.worker(0).resources.cpus = 32;
  const std::int64_t started = rig.host.virtual_clock.now();
  rig.run(rig.plan("gpu-worker-1"));
  CHECK(called(rig.host, "kill_domain gpu-worker-1"));
  CHECK(rig.host.virtual_clock.now() - started >= 120);
  CHECK(rig.domain("gpu-worker-1").cpus == 32);
}

TEST_CASE("defect 15: a guest that does not come up fails its step, with the end of its console") {
  Rig rig;
  rig.host.fake_guests.silent.insert("gpu-worker-1");
  try {
    rig.run(rig.plan("gpu-worker-1"));
    FAIL("no error");
  } catch (const HostError& error) {
    CHECK(error.kind() == HostError::Kind::timed_out);
    CHECK(std::string(error.what()) ==
          "waited 15m for a login on gpu-worker-1 (192.168.130.21), in vain; more time: `timeouts: {guest_boot: 30m}` in the "
          "spec; the end of its console follows, all of it shows `gpuplan console gpu-worker-1 --cluster gpu --log`");
    CHECK(error.output_tail() == "[    1.0] Kernel panic");
  }
}

TEST_CASE("a guest that says nothing on its console either is told with what may be behind that") {
  Rig rig;
  rig.host.fake_guests.silent.insert("gpu-worker-1");
  rig.host.fake_hypervisor.console.clear();
  CHECK_THROWS_WITH(rig.run(rig.plan("gpu-worker-1")), contains("its console is empty: either the firmware did not start it") &&
                                                           contains("or the image has no console=ttyS0"));
}

TEST_CASE("a guest that stops while it boots is not waited for") {
  Rig rig;
  rig.host.fake_hypervisor.dies_at_boot.insert("gpu-worker-1");
  const std::int64_t started = rig.host.virtual_clock.now();
  CHECK_THROWS_WITH(rig.run(rig.plan("gpu-worker-1")), contains("gpu-worker-1 stopped while it booted"));
  CHECK(rig.host.virtual_clock.now() - started < 10);
}

TEST_CASE("defect 16: a create that fails anywhere is undone, with all it shares") {
  for (const bool alone : {true, false}) {
    for (std::size_t n = 1;; ++n) {
      Rig rig;
      if (!alone) rig.run(rig.plan("gpu-worker-2"));
      rig.host.calls.made.clear();
      const std::string before = rig.host.picture();
      rig.host.calls.fail_at = n;
      const Step step = rig.begin(rig.plan("gpu-worker-1"));
      bool failed = false;
      try {
        rig.apply(step);
      } catch (const HostError&) {
        failed = true;
      }
      rig.host.calls.fail_at = 0;
      rig.undo(step, Stage::apply);
      INFO((alone ? "alone" : "beside another") << ", call " << n);
      CHECK(rig.host.picture() == before);
      rig.undo(step, Stage::apply);  // twice is as good as once
      CHECK(rig.host.picture() == before);
      if (!failed) {
        CHECK(n == (alone ? 10 : 4) + 1);
        break;
      }
    }
  }
}

TEST_CASE("two VMs that fail side by side leave nothing, whichever is undone first") {
  for (const bool first_is_undone_first : {true, false}) {
    for (std::size_t n = 1; n <= 10; ++n) {
      Rig rig;
      const std::string before = rig.host.picture();
      const Step one = rig.begin(rig.plan("gpu-worker-1"));
      rig.host.calls.fail_at = n;
      CHECK_THROWS_AS(rig.apply(one), HostError);
      rig.host.calls.fail_at = 0;
      const Step two = rig.begin(rig.plan("gpu-worker-2"));
      rig.apply(two);
      rig.undo(first_is_undone_first ? one : two, Stage::apply);
      rig.undo(first_is_undone_first ? two : one, Stage::apply);
      INFO("call " << n << ", " << first_is_undone_first);
      CHECK(rig.host.picture() == before);
    }
  }
}

TEST_CASE("an update, a replacement, a removal that fail anywhere are undone") {
  enum class What { memory, image, removal, network };
  for (const What what : {What::memory, What::image, What::removal, What::network}) {
    for (std::size_t n = 1;; ++n) {
      Rig rig;
      rig.create_all();
      if (what == What::memory) rig.worker(0).resources.memory_mib = 409600;
      if (what == What::image) rig.spec.image.url = "https://example.org/other.img";
      if (what == What::network) rig.spec.network.name = "other-net";
      const std::string before = rig.host.picture();
      const Change change = what == What::removal ? rig.plan_removal("gpu-worker-1") : rig.plan("gpu-worker-1");
      rig.host.calls.fail_at = n;
      Step step = rig.begin(change);
      bool failed = false;
      bool applied = false;
      try {
        rig.withdraw(step);
        applied = true;
        if (change.has_apply) rig.apply(step);
      } catch (const HostError&) {
        failed = true;
      }
      rig.host.calls.fail_at = 0;
      if (applied && change.has_apply) rig.undo(step, Stage::apply);
      rig.undo(step, Stage::withdraw);
      INFO("change " << static_cast<int>(what) << ", call " << n);
      CHECK(rig.host.picture() == before);
      if (!failed) break;
      REQUIRE(n < 30);
    }
  }
}

TEST_CASE("an undo that fails anywhere can be repeated") {
  for (std::size_t n = 1;; ++n) {
    Rig rig;
    const std::string before = rig.host.picture();
    const Step step = rig.run(rig.plan("gpu-worker-1"));
    rig.host.calls.made.clear();
    rig.host.calls.fail_at = n;
    bool failed = false;
    try {
      rig.undo(step, Stage::apply);
    } catch (const HostError&) {
      failed = true;
    }
    rig.host.calls.fail_at = 0;
    rig.undo(step, Stage::apply);
    INFO("call " << n);
    CHECK(rig.host.picture() == before);
    if (!failed) break;
    REQUIRE(n < 30);
  }
}

TEST_CASE("a create that failed anywhere is completed by the next apply, and can be removed") {
  for (std::size_t n = 1; n <= 10; ++n) {
    Rig rig;
    const std::string before = rig.host.picture();
    rig.host.calls.fail_at = n;
    CHECK_THROWS_AS(rig.run(rig.plan("gpu-worker-1")), HostError);
    rig.host.calls.fail_at = 0;
    INFO("call " << n);
    rig.run(rig.plan("gpu-worker-1"));
    CHECK(rig.plan("gpu-worker-1").action == Action::none);
    const auto volumes = rig.host.hypervisor().volumes("gpuplan");
    CHECK(volumes.size() == 3);  // disk, seed, base image: nothing is left of the first attempt
    rig.run(rig.plan_removal("gpu-worker-1"));
    CHECK(rig.host.picture() == before);
  }
}

TEST_CASE("a replacement that was cut short does not touch the old disk before its commit") {
  Rig rig;
  rig.create_all();
  rig.spec.image.url = "https://example.org/other.img";
  const Step cut = rig.begin(rig.plan("gpu-worker-1"));
  rig.withdraw(cut);  // and then the process was killed
  const Change change = rig.plan("gpu-worker-1");
  CHECK(change.action == Action::create);
  CHECK(change.irreversible ==
        std::vector<std::string>{"volumes that an earlier gpu-worker-1 left behind are deleted"});
  const Step again = rig.run(change, false);
  CHECK(again.captured.at("disk") == "gpu-worker-1_2.qcow2");
  CHECK(rig.host.hypervisor().volume("gpuplan", "gpu-worker-1.qcow2"));
  rig.commit(again);
  CHECK_FALSE(rig.host.hypervisor().volume("gpuplan", "gpu-worker-1.qcow2"));
}

TEST_CASE("vm-define leaves a domain of somebody else alone") {
  Rig rig;
  rig.create_all();
  DomainDefinition stranger = rig.domain("gpu-worker-1");
  stranger.owner.cluster.clear();
  rig.host.fake_hypervisor.all_domains.at("gpu-worker-1").xml = render_domain(stranger);
  const std::string before = rig.host.picture();
  const Step step = rig.begin(rig.plan_removal("gpu-worker-1"));
  CHECK_THROWS_WITH(rig.withdraw(step),
                    contains("domain gpu-worker-1 was not made by gpuplan for cluster gpu and is left alone"));
  CHECK(rig.host.picture() == before);
}

TEST_CASE("functions of the same slot travel along, bridges do not") {
  Rig rig;
  rig.host.add_function("0000:0a:00.1", "0x040300", 0, 0);
  rig.host.add_function("0000:0a:00.2", "0x060400", 0, 0);
  rig.run(rig.plan("gpu-worker-1"));
  const auto devices = rig.domain("gpu-worker-1").devices;
  CHECK(devices.size() == 5);
  CHECK(devices.at(1).to_string() == "0000:0a:00.1");
  CHECK(rig.plan("gpu-worker-1").action == Action::none);
}

TEST_CASE("a GPU that was added by hand is drift") {
  Rig rig;
  rig.create_all();
  DomainDefinition changed = rig.domain("gpu-worker-1");
  changed.devices.push_back(parse_bdf("c2:00.0").value());
  rig.host.fake_hypervisor.all_domains.at("gpu-worker-1").xml = render_domain(changed);
  const Change change = rig.plan("gpu-worker-1");
  CHECK(change.action == Action::update);
  CHECK_THAT(change.reasons.at(0), contains("0000:c2:00.0"));
}
