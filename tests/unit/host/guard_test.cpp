// Interrupts, counting and faults around every mutating call.
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "guard_recording_host.h"
#include "host/guard/disk_faults.h"
#include "host/guard/guarded_host.h"
#include "host/interrupt.h"
#include "support/catch.h"

using namespace gpuplan;
using guard_test::RecordingHost;

namespace {

// As if the user had pressed Ctrl-C, until the end of the block.
class Interruption {
 public:
  Interruption() { Interrupt::request(SIGINT); }
  ~Interruption() { Interrupt::request(0); }
};

std::vector<Fault> faults(std::initializer_list<const char*> texts) {
  std::vector<Fault> out;
  for (const char* text : texts) out.push_back(parse_fault(text).value());
  return out;
}

// Kind and text of the HostError that `act` throws.
std::pair<HostError::Kind, std::string> error_of(const std::function<void()>& act) {
  try {
    act();
  } catch (const HostError& error) {
    return {error.kind(), error.what()};
  }
  return {HostError::Kind::failed, "nothing was thrown"};
}

std::pair<HostError::Kind, std::string> injected(const std::string& what) {
  return {HostError::Kind::failed, "injected fault: cannot " + what};
}

const GuestTarget worker{"gpu-worker-1", "192.168.130.21"};

// Every mutating call of the ports, once each.
std::vector<std::function<void(Host&)>> mutating_calls() {
  const std::chrono::seconds limit(5);
  return {
      [=](Host& h) { h.files().write("/sys/x", "1", limit); },
      [](Host& h) { h.files().put_file("/etc/x", "1", 0600); },
      [](Host& h) { h.files().remove_file("/etc/x"); },
      [](Host& h) { h.files().make_directory("/etc/d", 0700); },
      [](Host& h) { h.files().remove_directory("/etc/d"); },
      [](Host& h) {
        h.run({{"modprobe", "vfio-pci"}, "", std::chrono::seconds(9)});
      },
      [](Host& h) { h.hypervisor().define_domain("<domain><name>vm</name></domain>"); },
      [](Host& h) { h.hypervisor().start_domain("vm"); },
      [](Host& h) { h.hypervisor().shut_down_domain("vm"); },
      [](Host& h) { h.hypervisor().kill_domain("vm"); },
      [](Host& h) { h.hypervisor().undefine_domain("vm"); },
      [](Host& h) { h.hypervisor().set_autostart("vm", true); },
      [](Host& h) { h.hypervisor().define_network("<network><name>net</name></network>"); },
      [](Host& h) { h.hypervisor().start_network("net"); },
      [](Host& h) { h.hypervisor().remove_network("net"); },
      [](Host& h) { h.hypervisor().define_pool("pool", "/images"); },
      [](Host& h) { h.hypervisor().remove_pool("pool"); },
      [](Host& h) { h.hypervisor().create_volume("pool", "disk", 1, ""); },
      [](Host& h) { h.hypervisor().upload_volume("pool", "seed", "x"); },
      [=](Host& h) { h.hypervisor().fetch_image("pool", "base", {"https://x/y.img", "", "", limit, {}}); },
      [](Host& h) { h.hypervisor().delete_kept_downloads(); },
      [](Host& h) { h.hypervisor().grow_volume("pool", "disk", 2); },
      [](Host& h) { h.hypervisor().delete_volume("pool", "disk"); },
      [](Host& h) {
        h.guests().run(worker, {{"kubeadm", "reset", "--force"}, "", std::chrono::seconds(9)});
      },
      [](Host& h) { h.guests().put(worker, "/root/x", "1", 0600); },
      [](Host& h) { h.guests().remove(worker, "/root/x"); },
      [](Host& h) { h.guests().credentials("gpu-worker-1"); },
      [](Host& h) { h.guests().forget("gpu-worker-1"); },
  };
}

const std::vector<std::string> call_words{"write /sys/x",
                                          "write /etc/x",
                                          "remove /etc/x",
                                          "make the directory /etc/d",
                                          "remove the directory /etc/d",
                                          "run `modprobe vfio-pci`",
                                          "define domain vm",
                                          "start domain vm",
                                          "shut down domain vm",
                                          "kill domain vm",
                                          "undefine domain vm",
                                          "set autostart of domain vm",
                                          "define network net",
                                          "start network net",
                                          "remove network net",
                                          "define storage pool pool",
                                          "remove storage pool pool",
                                          "create volume pool/disk",
                                          "upload volume pool/seed",
                                          "fetch the image base",
                                          "delete the kept downloads",
                                          "grow volume pool/disk",
                                          "delete volume pool/disk",
                                          "run `kubeadm reset --force` on gpu-worker-1",
                                          "write /root/x on gpu-worker-1",
                                          "remove /root/x on gpu-worker-1",
                                          "make the ssh keys of gpu-worker-1",
                                          "forget the ssh keys of gpu-worker-1"};

}  // namespace

TEST_CASE("guard: every mutating call passes, counted") {
  RecordingHost host;
  GuardedHost guarded(host, {});
  const auto view = guarded.for_resource("vm-define/x");
  for (const auto& call : mutating_calls()) call(*view);
  CHECK(guarded.mutating_calls() == 28);
  CHECK(host.calls == std::vector<std::string>{"write",          "put_file",         "remove_file",
                                               "make_directory", "remove_directory", "run",
                                               "define_domain",  "start_domain",     "shut_down_domain",
                                               "kill_domain",    "undefine_domain",  "set_autostart",
                                               "define_network", "start_network",    "remove_network",
                                               "define_pool",    "remove_pool",      "create_volume",
                                               "upload_volume",  "fetch_image",      "delete_kept_downloads", "grow_volume",
                                               "delete_volume",  "guest run",        "guest put",
                                               "guest remove",   "guest credentials", "guest forget"});
}

TEST_CASE("guard: a failing call is named and does nothing") {
  const auto calls = mutating_calls();
  REQUIRE(calls.size() == call_words.size());
  for (std::size_t i = 0; i < calls.size(); ++i) {
    RecordingHost host;
    GuardedHost guarded(host, faults({"call:1:fail"}));
    const auto view = guarded.for_resource("vm-define/x");
    CHECK(error_of([&] { calls[i](*view); }) == injected(call_words[i]));
    CHECK(host.calls.empty());
    calls[i](*view);  // once only
    CHECK(host.calls.size() == 1);
  }
}

TEST_CASE("guard: an interrupt stops every mutating call before it is counted") {
  RecordingHost host;
  GuardedHost guarded(host, {});
  const auto view = guarded.for_resource("vm-define/x");
  const Interruption interruption;
  for (const auto& call : mutating_calls()) CHECK_THROWS_AS(call(*view), Interrupted);
  CHECK(host.calls.empty());
  CHECK(guarded.mutating_calls() == 0);
  SECTION("but not if it is to be ignored") {
    guarded.ignore_interrupts(true);
    for (const auto& call : mutating_calls()) call(*view);
    CHECK(host.calls.size() == 28);
  }
}

TEST_CASE("guard: reads pass, interrupted or not, and meet no fault") {
  RecordingHost host;
  GuardedHost guarded(host, faults({"call:1:fail", "vm-define/x:fail"}));
  const auto view = guarded.for_resource("vm-define/x");
  const Interruption interruption;
  CHECK(view->files().read("/x") == "content of /x");
  CHECK(view->files().list("/x").empty());
  CHECK(view->files().read_link("/x") == "target of /x");
  CHECK(view->files().kind("/x") == FileKind::file);
  CHECK(view->query({{"true"}}).ok());
  CHECK(view->hypervisor().domains().empty());
  CHECK_FALSE(view->hypervisor().domain("x"));
  CHECK(view->hypervisor().networks().empty());
  CHECK_FALSE(view->hypervisor().network("x"));
  CHECK_FALSE(view->hypervisor().pool("x"));
  CHECK(view->hypervisor().volumes("x").empty());
  CHECK_FALSE(view->hypervisor().volume("x", "y"));
  CHECK(view->hypervisor().console_tail("x", 3) == "console of x");
  CHECK(view->guests().answers(worker));
  CHECK(view->guests().query(worker, {{"true"}}).ok());
  CHECK_FALSE(view->guests().get(worker, "/x"));
  CHECK(view->identity() == "recording");
  CHECK(view->description() == "a recording host");
  CHECK(view->limitations().count("vm-define") == 1);
  CHECK(&view->clock() == &host.clock());
  CHECK(guarded.reader().identity() == "recording");
  CHECK(guarded.mutating_calls() == 0);
}

TEST_CASE("guard: a fault strikes the call of its number, whoever makes it, once") {
  RecordingHost host;
  GuardedHost guarded(host, faults({"call:2:fail"}));
  const auto one = guarded.for_resource("vm-define/one"), two = guarded.for_resource("vm-define/two");
  one->files().remove_file("/1");
  CHECK(error_of([&] { two->files().remove_file("/2"); }) == injected("remove /2"));
  two->files().remove_file("/2");
  CHECK(host.calls.size() == 2);
}

TEST_CASE("guard: a fault strikes the first call of its resource") {
  RecordingHost host;
  GuardedHost guarded(host, faults({"vm-define/two:fail"}));
  const auto one = guarded.for_resource("vm-define/one"), two = guarded.for_resource("vm-define/two");
  one->files().remove_file("/1");
  guarded.stage_ends("vm-define/one");
  CHECK(error_of([&] { two->files().remove_file("/2"); }) == injected("remove /2"));
  guarded.stage_ends("vm-define/two");
}

TEST_CASE("guard: a stage that changes nothing meets its fault at its end") {
  RecordingHost host;
  GuardedHost guarded(host, faults({"iommu-check/host:fail"}));
  guarded.stage_ends("vm-define/x");
  CHECK(error_of([&] { guarded.stage_ends("iommu-check/host"); }) == injected("finish iommu-check/host"));
  guarded.stage_ends("iommu-check/host");
}

TEST_CASE("guard: a hanging call ends after its own limit, on the host's clock") {
  RecordingHost host;
  GuardedHost guarded(host, faults({"call:1:hang", "call:2:hang", "call:3:hang"}));
  const auto view = guarded.for_resource("vm-define/x");
  const auto timed_out = [](const std::string& text) { return std::pair(HostError::Kind::timed_out, text); };
  CHECK(error_of([&] { view->files().write("/sys/unbind", "1", std::chrono::seconds(7)); }) ==
        timed_out("cannot write /sys/unbind: it did not end within 7 s"));
  CHECK(host.recording_clock.slept == std::chrono::seconds(7));
  CHECK(error_of([&] {
          view->run({{"modprobe", "vfio-pci"}, "", std::chrono::seconds(9)});
        }) == timed_out("cannot run `modprobe vfio-pci`: it did not end within 9 s"));
  CHECK(error_of([&] { view->hypervisor().start_domain("vm"); }) ==
        timed_out("cannot start domain vm: it did not end within 60 s"));
  CHECK(host.recording_clock.slept == std::chrono::seconds(7 + 9 + 60));
  CHECK(host.calls.empty());
}

TEST_CASE("guard: an interrupt ends a call that hangs") {
  RecordingHost host;
  GuardedHost guarded(host, faults({"call:1:hang"}));
  const auto view = guarded.for_resource("vm-define/x");
  host.recording_clock.on_sleep = [] { Interrupt::request(SIGINT); };
  CHECK_THROWS_AS(view->files().remove_file("/x"), Interrupted);
  Interrupt::request(0);
}

TEST_CASE("guard: kill ends the process before the call") {
  for (const char* text : {"call:1:kill", "vm-define/x:kill"}) {
    const pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      RecordingHost host;
      GuardedHost guarded(host, faults({text}));
      guarded.for_resource("vm-define/x")->files().remove_file("/x");
      _exit(0);
    }
    int status = 0;
    REQUIRE(waitpid(child, &status, 0) == child);
    CHECK(WIFSIGNALED(status));
    CHECK(WTERMSIG(status) == SIGKILL);
  }
}

TEST_CASE("guard: journal writes have faults of their own") {
  RecordingHost host;
  GuardedHost guarded(host, faults({"journal:2:fail", "journal:3:hang"}));
  guarded.before_journal_write(1);
  CHECK(error_of([&] { guarded.before_journal_write(2); }) == injected("make journal write 2"));
  const Interruption interruption;
  CHECK(error_of([&] { guarded.before_journal_write(3); }).second ==
        "cannot make journal write 3: it did not end within 60 s");
  guarded.before_journal_write(2);
  CHECK(guarded.mutating_calls() == 0);
}

TEST_CASE("guard: a call of a step kind fails when it returns") {
  RecordingHost host;
  GuardedHost guarded(host, faults({"plugin:2:fail", "plugin:9:kill"}));
  guarded.plugin_call_ends("observe", "vm-define/x");
  CHECK(error_of([&] { guarded.plugin_call_ends("apply", "vm-define/x"); }) == injected("return from apply() of vm-define/x"));
  guarded.plugin_call_ends("apply", "vm-define/x");
  CHECK(guarded.plugin_calls() == 3);
  CHECK(guarded.unstruck_faults() == std::vector<std::string>{"plugin:9"});
}

TEST_CASE("guard: faults of the disk are none of its own") {
  RecordingHost host;
  GuardedHost guarded(host, faults({"disk:1:full"}));
  guarded.before_journal_write(1);
  guarded.for_resource("vm-define/x")->files().remove_file("/x");
  CHECK(guarded.unstruck_faults().empty());
}

TEST_CASE("disk faults: a full or read-only disk stays so, an I/O error happens once") {
  DiskFaults full(faults({"disk:2:full"})), broken(faults({"disk:2:io-error"})), locked(faults({"disk:2:read-only"}));
  const auto answers = [](DiskFaults& disk) {
    std::vector<DiskAnswer> out;
    for (int i = 0; i < 3; ++i) out.push_back(disk.before_write());
    return out;
  };
  CHECK(answers(full) == std::vector{DiskAnswer::done, DiskAnswer::full, DiskAnswer::full});
  CHECK(answers(broken) == std::vector{DiskAnswer::done, DiskAnswer::io_error, DiskAnswer::done});
  CHECK(answers(locked) == std::vector{DiskAnswer::done, DiskAnswer::read_only, DiskAnswer::read_only});
  CHECK(full.unstruck_faults().empty());
  CHECK(DiskFaults(faults({"disk:2:full"})).unstruck_faults() == std::vector<std::string>{"disk:2"});
}

TEST_CASE("disk faults: a power cut concerns the disk wherever it strikes, a kill does not") {
  CHECK(DiskFaults(faults({"call:3:power-cut"})).concern_the_disk());
  CHECK(DiskFaults(faults({"disk:3:io-error"})).concern_the_disk());
  CHECK_FALSE(DiskFaults(faults({"call:3:kill", "journal:2:fail", "vm-define/x:hang"})).concern_the_disk());
}

TEST_CASE("guard: the error names its subject") {
  RecordingHost host;
  GuardedHost guarded(host, faults({"call:1:fail"}));
  try {
    guarded.for_resource("x/y")->guests().run(worker, {{"kubeadm", "init"}});
    FAIL("nothing was thrown");
  } catch (const HostError& error) {
    CHECK(error.subject() == "gpu-worker-1");
  }
}

TEST_CASE("faults: read from their text") {
  const auto address = parse_fault("vfio-bind/0000:0a:00.0:fail");
  REQUIRE(address);
  CHECK(address->address == "vfio-bind/0000:0a:00.0");
  CHECK(address->effect == FaultEffect::fail);
  const auto call = parse_fault("call:17:kill");
  REQUIRE(call);
  CHECK(call->call == 17);
  CHECK(call->effect == FaultEffect::kill);
  CHECK(call->address.empty());
  const auto journal = parse_fault("journal:3:hang");
  REQUIRE(journal);
  CHECK(journal->journal_write == 3);
  CHECK(journal->call == 0);
  const auto plugin = parse_fault("plugin:5:fail");
  REQUIRE(plugin);
  CHECK(plugin->plugin_call == 5);
  const auto disk = parse_fault("disk:40:read-only");
  REQUIRE(disk);
  CHECK(disk->disk_write == 40);
  CHECK(disk->effect == FaultEffect::read_only);
  CHECK(parse_fault("call:2:power-cut"));
  for (const char* text : {"", ":", "fail", ":fail", "call:0:fail", "call:-1:fail", "call:1x:fail", "call::fail",
                           "call:99999999999999999999:fail", "journal:x:kill", "vm-define/x", "vm-define/x:explode",
                           "VM/x:fail", "vm-define:fail", "vm-define/x:FAIL", "disk:3:fail", "disk:3:kill",
                           "disk:0:full", "plugin:2:hang", "plugin:2:full", "call:2:io-error", "vm-define/x:full"}) {
    INFO(text);
    CHECK_FALSE(parse_fault(text));
  }
}
