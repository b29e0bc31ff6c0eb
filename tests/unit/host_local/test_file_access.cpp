#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <thread>

#include "host/local/file_access_protocol.h"
#include "host/local/local_files.h"
#include "processes.h"
#include "support/catch.h"
#include "support/host_error_of.h"
#include "support/host_files.h"

using namespace gpuplan;
using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {

constexpr const char* device = "/sys/bus/pci/devices/0000:0a:00.0";

// A tree with one device, and its files.
struct Tree {
  explicit Tree(milliseconds limit = seconds(10), const std::string& program = GPUPLAN_FILE_ACCESS_CHILD)
      : abandoned(std::make_shared<AbandonedChildren>()), files(directory.path(), limit, program, abandoned) {
    make_file(at("/sys/bus/pci/devices/0000:0a:00.0/vendor"), "0x10de\n");
    make_file(at("/sys/bus/pci/devices/0000:0a:00.0/driver_override"), "(null)\n");
    std::filesystem::create_symlink("../../drivers/nvidia", at("/sys/bus/pci/devices/0000:0a:00.0/driver"));
    // Opening it blocks until somebody opens its other end, as a hanging driver would.
    mkfifo(at("/sys/bus/pci/devices/0000:0a:00.0/unbind").c_str(), 0600);
  }
  std::string at(const std::string& path) const { return directory.path() + path; }

  TemporaryDirectory directory;
  std::shared_ptr<AbandonedChildren> abandoned;
  LocalFiles files;
};

std::string in_device(const std::string& name) { return std::string(device) + "/" + name; }

}  // namespace

TEST_CASE("paths that can hang are known by where they are") {
  REQUIRE(can_hang("/sys/bus/pci/devices/0000:0a:00.0/vendor"));
  REQUIRE(can_hang("/sys/kernel/iommu_groups/3/devices"));
  REQUIRE(can_hang("/sys/devices/pci0000:00/0000:00:01.0/config"));
  REQUIRE(can_hang("/proc/driver/nvidia/gpus/0000:0a:00.0/unbindLock"));
  REQUIRE(can_hang("/etc/../sys/bus/pci/rescan"));
  REQUIRE_FALSE(can_hang("/proc/cpuinfo"));
  REQUIRE_FALSE(can_hang("/proc/1/fd"));
  REQUIRE_FALSE(can_hang("/etc/machine-id"));
  REQUIRE_FALSE(can_hang("/system/x"));
}

TEST_CASE("a child reads, lists, looks at and writes files") {
  Tree tree;
  REQUIRE(tree.files.read(in_device("vendor")) == "0x10de\n");
  REQUIRE(tree.files.list(device) == std::vector<std::string>{"driver", "driver_override", "unbind", "vendor"});
  REQUIRE(tree.files.read_link(in_device("driver")) == "../../drivers/nvidia");
  REQUIRE(tree.files.kind(device) == FileKind::directory);
  REQUIRE(tree.files.kind(in_device("driver")) == FileKind::symlink);
  REQUIRE(tree.files.kind(in_device("vendor")) == FileKind::file);
  REQUIRE(tree.files.kind(in_device("gone")) == FileKind::none);
  tree.files.write(in_device("driver_override"), "vfio-pci", seconds(5));
  REQUIRE(content_of(tree.at(in_device("driver_override"))) == "vfio-pci");  // as long as before: not truncated
}

TEST_CASE("errors come back from the child in words") {
  Tree tree;
  const HostError missing = host_error_of([&] { tree.files.read(in_device("gone")); });
  REQUIRE(missing.kind() == HostError::Kind::not_found);
  REQUIRE(std::string(missing.what()) == "cannot read " + tree.at(in_device("gone")) + ": no such file or directory");
  REQUIRE(std::string(host_error_of([&] { tree.files.read_link(in_device("vendor")); }).what()) ==
          "cannot read the link " + in_device("vendor") + ": it is not a symbolic link");
  const HostError not_made = host_error_of([&] { tree.files.write(in_device("new"), "1", seconds(5)); });
  REQUIRE(not_made.kind() == HostError::Kind::not_found);
  REQUIRE_FALSE(std::filesystem::exists(tree.at(in_device("new"))));
}

TEST_CASE("a file of 16 MiB is read whole, a larger one is refused") {
  Tree tree;
  const std::string whole(largest_file, 'x');
  make_file(tree.at("/sys/large"), whole);
  REQUIRE(tree.files.read("/sys/large") == whole);
  make_file(tree.at("/sys/large"), whole + "x");
  REQUIRE(std::string(host_error_of([&] { tree.files.read("/sys/large"); }).what()) ==
          "cannot read " + tree.at("/sys/large") + ": it is larger than 16 MiB");
}

TEST_CASE("thousands of reads are served by one child") {
  Tree tree;
  for (int i = 0; i < 3000; ++i) REQUIRE(tree.files.read(in_device("vendor")) == "0x10de\n");
  REQUIRE(children_with(tree.at("")).empty());
  REQUIRE(children_with("--file-access-child").size() == 1);
}

TEST_CASE("children are there for as many accesses as go on at once, and end with their pool") {
  {
    Tree tree;
    std::vector<std::thread> threads;
    std::vector<int> right(8, 0);
    for (std::size_t i = 0; i < right.size(); ++i) {
      threads.emplace_back([&, i] {
        for (int n = 0; n < 300; ++n) right[i] += tree.files.read(in_device("vendor")) == "0x10de\n" ? 1 : 0;
      });
    }
    for (std::thread& thread : threads) thread.join();
    REQUIRE(right == std::vector<int>(8, 300));
    REQUIRE(children_with("--file-access-child").size() <= 8);
  }
  REQUIRE(children_with("--file-access-child").empty());
}

TEST_CASE("a child has no descriptors but its streams") {
  const int inherited = open("/dev/null", O_RDONLY);  // not closed on exec
  Tree tree;
  tree.files.read(in_device("vendor"));
  const auto children = children_with("--file-access-child");
  REQUIRE(children.size() == 1);
  REQUIRE(descriptors_of(children.front()) == std::vector<int>{0, 1, 2});
  close(inherited);
}

TEST_CASE("a read that hangs is given up at its limit, and the next one works") {
  Tree tree(milliseconds(2000));
  tree.files.read(in_device("vendor"));
  const pid_t first = children_with("--file-access-child").at(0);
  const HostError error = host_error_of([&] { tree.files.read(in_device("unbind")); });
  REQUIRE(error.kind() == HostError::Kind::timed_out);
  REQUIRE(error.subject() == tree.at(in_device("unbind")));
  REQUIRE(std::string(error.what()) ==
          "cannot read " + tree.at(in_device("unbind")) +
              ": the kernel did not answer within 2 s; the driver behind it hangs, and this machine probably needs a "
              "reboot");
  REQUIRE(tree.files.read(in_device("vendor")) == "0x10de\n");
  REQUIRE(comes_true([&] { return is_gone(first); }));
  REQUIRE(comes_true([&] {
    tree.abandoned->reap();
    return tree.abandoned->count() == 0;
  }));
}

TEST_CASE("a write that hangs is given up at the limit of the call") {
  Tree tree;
  const HostError error = host_error_of([&] { tree.files.write(in_device("unbind"), "0000:0a:00.0", seconds(1)); });
  REQUIRE(error.kind() == HostError::Kind::timed_out);
  REQUIRE_THAT(error.what(), contains("cannot write " + tree.at(in_device("unbind"))));
  REQUIRE_THAT(error.what(), contains("within 1 s"));
}

TEST_CASE("a child that is slow to start, as on a machine that is busy, is no driver that hangs") {
  const TemporaryDirectory directory;
  const std::string program = directory / "child";
  make_file(program, "#!/bin/sh\nsleep 2\nexec " GPUPLAN_FILE_ACCESS_CHILD " \"$@\"\n");
  std::filesystem::permissions(program, std::filesystem::perms::owner_all);
  Tree tree(milliseconds(500), program);
  REQUIRE(tree.files.read(in_device("vendor")) == "0x10de\n");
}

TEST_CASE("a child that was killed while idle is replaced") {
  Tree tree;
  tree.files.read(in_device("vendor"));
  const pid_t child = children_with("--file-access-child").at(0);
  kill(child, SIGKILL);
  REQUIRE(comes_true([&] { return is_gone(child); }));
  REQUIRE(tree.files.read(in_device("vendor")) == "0x10de\n");
}

TEST_CASE("a child that cannot be killed does not keep the lock of the run") {
  const TemporaryDirectory directory;
  const std::string lock_file = directory / "lock";
  const std::string survivor_file = directory / "survivor";
  const std::string program = directory / "child";
  // What the child leaves behind has the descriptors that the child got, and outlives SIGKILL as a child
  // that is stuck in the kernel would.
  make_file(program, "#!/bin/sh\nsleep 60 &\necho $! > " + survivor_file + "\nexec " GPUPLAN_FILE_ACCESS_CHILD " \"$@\"\n");
  std::filesystem::permissions(program, std::filesystem::perms::owner_all);

  const int lock = open(lock_file.c_str(), O_RDWR | O_CREAT, 0600);  // deliberately not closed on exec
  REQUIRE(flock(lock, LOCK_EX | LOCK_NB) == 0);
  const int again = open(lock_file.c_str(), O_RDWR | O_CLOEXEC);
  pid_t survivor = 0;
  {
    Tree tree(milliseconds(500), program);
    REQUIRE(host_error_of([&] { tree.files.read(in_device("unbind")); }).kind() == HostError::Kind::timed_out);
    survivor = std::stoi(content_of(survivor_file));
    REQUIRE_FALSE(is_gone(survivor));
    REQUIRE(flock(again, LOCK_EX | LOCK_NB) != 0);  // held by us
    close(lock);
    REQUIRE(flock(again, LOCK_EX | LOCK_NB) == 0);
    REQUIRE_FALSE(is_gone(survivor));
  }
  kill(survivor, SIGKILL);
  close(again);
}

TEST_CASE("a program that is no file access child is found out") {
  for (const char* program : {"/bin/true", "/bin/cat", "/bin/echo"}) {
    Tree tree(seconds(5), program);
    const HostError error = host_error_of([&] { tree.files.read(in_device("vendor")); });
    REQUIRE(error.kind() == HostError::Kind::failed);
    REQUIRE_THAT(error.what(), contains("cannot start " + std::string(program) + " --file-access-child, which reads files of the "
                                        "kernel: it ended before that; `gpuplan --file-access-child </dev/null` shows why"));
  }
  Tree tree(seconds(5), "/no/such/child");
  REQUIRE_THAT(host_error_of([&] { tree.files.read(in_device("vendor")); }).what(),
               contains("cannot start /no/such/child as the process that reads files of the kernel: no such file"));
}

TEST_CASE("requests and answers survive the way to the child and back") {
  const FileRequest request{FileOperation::write, "/sys/a", std::string("b\0c", 3)};
  const std::string sent = encode(request);
  REQUIRE(frame_length(sent.substr(0, frame_header_size), FrameKind::request) == sent.size() - frame_header_size);
  REQUIRE_FALSE(frame_length(sent.substr(0, frame_header_size), FrameKind::answer));
  const auto got = decode_request(std::string_view(sent).substr(frame_header_size));
  REQUIRE(got);
  REQUIRE(got->operation == FileOperation::write);
  REQUIRE(got->path == "/sys/a");
  REQUIRE(got->content == request.content);
  const std::string answered = encode(FileAnswer{ENOENT, "x"});
  const auto answer = decode_answer(std::string_view(answered).substr(frame_header_size));
  REQUIRE(answer);
  REQUIRE(answer->error == ENOENT);
  REQUIRE(answer->data == "x");
}

TEST_CASE("frames that make no sense are refused") {
  REQUIRE_FALSE(frame_length("short", FrameKind::request));
  REQUIRE_FALSE(frame_length("GARBAGE!", FrameKind::request));
  REQUIRE_FALSE(frame_length(std::string("1QPG\xff\xff\xff\xff", 8), FrameKind::request));
  REQUIRE_FALSE(decode_request(""));
  REQUIRE_FALSE(decode_request(std::string("\x09\0\0\0\0\0\0\0", 8)));      // no such operation
  REQUIRE_FALSE(decode_request(std::string("\0\0\0\0\x05\0\0\0abcd", 12)));  // a path longer than the frame
  REQUIRE_FALSE(decode_answer("abc"));
}
