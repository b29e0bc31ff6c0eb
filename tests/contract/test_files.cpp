#include <algorithm>
#include <thread>

#include "host/pci/pci.h"
#include "subject.h"
#include "support/host_error_of.h"

using namespace gpuplan;
using std::chrono::seconds;

namespace {

constexpr const char* pci_devices = "/sys/bus/pci/devices";

// On a machine without PCI there is nothing to look at.
std::vector<std::string> pci_functions(FileReader& files) {
  return files.kind(pci_devices) == FileKind::directory ? files.list(pci_devices) : std::vector<std::string>{};
}

void require_sentence(const HostError& error, HostError::Kind kind, const std::string& path) {
  CAPTURE(error.what());
  REQUIRE(error.kind() == kind);
  REQUIRE(error.subject() == path);
  const std::string words = error.what();
  REQUIRE(words.rfind("cannot ", 0) == 0);
  REQUIRE_THAT(words, contains(path));
}

}  // namespace

TEST_CASE("a path that does not exist is not_found for every access but kind") {
  const std::string name = EACH_HOST;
  const auto subject = open_subject(name);
  FileSystem& files = subject->host->files();
  for (const std::string& path : {subject->directory + "/none", std::string("/sys/bus/pci/devices/ffff:ff:1f.7/vendor"),
                                  std::string("/proc/gpuplan-none"), std::string("/no/such/path")}) {
    require_sentence(host_error_of([&] { files.read(path); }), HostError::Kind::not_found, path);
    require_sentence(host_error_of([&] { files.list(path); }), HostError::Kind::not_found, path);
    require_sentence(host_error_of([&] { files.read_link(path); }), HostError::Kind::not_found, path);
    require_sentence(host_error_of([&] { files.write(path, "1", seconds(5)); }), HostError::Kind::not_found, path);
    REQUIRE(files.kind(path) == FileKind::none);
  }
}

TEST_CASE("put_file makes a file that reads back, and replaces it") {
  const std::string name = EACH_HOST;
  const auto subject = open_subject(name);
  FileSystem& files = subject->host->files();
  const std::string path = subject->directory + "/unit.conf";
  const std::string content("options vfio\0\xff\n", 15);
  files.put_file(path, content, 0644);
  REQUIRE(files.read(path) == content);
  REQUIRE(files.kind(path) == FileKind::file);
  files.put_file(path, "", 0600);
  REQUIRE(files.read(path).empty());
  REQUIRE(files.list(subject->directory) == std::vector<std::string>{"unit.conf"});
}

TEST_CASE("put_file needs a directory, and is not for directories or the kernel's files") {
  const std::string name = EACH_HOST;
  const auto subject = open_subject(name);
  FileSystem& files = subject->host->files();
  const std::string path = subject->directory + "/none/file";
  require_sentence(host_error_of([&] { files.put_file(path, "x", 0600); }), HostError::Kind::not_found, path);
  REQUIRE(files.kind(subject->directory + "/none") == FileKind::none);
  files.make_directory(subject->directory + "/sub", 0700);
  REQUIRE_THROWS_AS(files.put_file(subject->directory + "/sub", "x", 0600), HostError);
  REQUIRE(files.kind(subject->directory + "/sub") == FileKind::directory);
  REQUIRE_THROWS_AS(files.put_file("/sys/gpuplan", "x", 0600), HostError);
  REQUIRE(files.kind("/sys/gpuplan") == FileKind::none);
}

TEST_CASE("write writes into what exists and makes nothing") {
  const std::string name = EACH_HOST;
  const auto subject = open_subject(name);
  FileSystem& files = subject->host->files();
  const std::string path = subject->directory + "/file";
  REQUIRE(host_error_of([&] { files.write(path, "x", seconds(5)); }).kind() == HostError::Kind::not_found);
  REQUIRE(files.kind(path) == FileKind::none);
  files.put_file(path, "0123456789", 0600);
  files.write(path, "ab", seconds(5));
  REQUIRE(files.read(path) == "ab23456789");
  REQUIRE_THROWS_AS(files.write(subject->directory, "x", seconds(5)), HostError);
}

TEST_CASE("removing what is not there is no error") {
  const std::string name = EACH_HOST;
  const auto subject = open_subject(name);
  FileSystem& files = subject->host->files();
  const std::string path = subject->directory + "/file";
  REQUIRE_NOTHROW(files.remove_file(path));
  REQUIRE_NOTHROW(files.remove_directory(path));
  files.put_file(path, "x", 0600);
  files.remove_file(path);
  REQUIRE(files.kind(path) == FileKind::none);
  REQUIRE(files.kind(subject->directory) == FileKind::directory);
  REQUIRE_NOTHROW(files.remove_file(path));
}

TEST_CASE("directories are made with their parents, and removed only when empty") {
  const std::string name = EACH_HOST;
  const auto subject = open_subject(name);
  FileSystem& files = subject->host->files();
  const std::string path = subject->directory + "/a/b";
  files.make_directory(path, 0750);
  REQUIRE_NOTHROW(files.make_directory(path, 0750));
  REQUIRE(files.kind(path) == FileKind::directory);
  REQUIRE(files.list(subject->directory + "/a") == std::vector<std::string>{"b"});
  files.put_file(path + "/file", "x", 0600);
  REQUIRE_NOTHROW(files.remove_directory(path));
  REQUIRE(files.read(path + "/file") == "x");
  files.remove_file(path + "/file");
  files.remove_directory(path);
  REQUIRE(files.kind(path) == FileKind::none);
  REQUIRE_THROWS_AS(files.remove_file(subject->directory + "/a"), HostError);
  files.put_file(subject->directory + "/file", "x", 0600);
  REQUIRE_THROWS_AS(files.make_directory(subject->directory + "/file", 0700), HostError);
}

TEST_CASE("a list is sorted and has neither . nor ..") {
  const std::string name = EACH_HOST;
  const auto subject = open_subject(name);
  FileSystem& files = subject->host->files();
  for (const char* file : {"b", "a", "c", "B", "10", "9"}) files.put_file(subject->directory + "/" + file, "", 0600);
  REQUIRE(files.list(subject->directory) == std::vector<std::string>{"10", "9", "B", "a", "b", "c"});
  const auto devices = pci_functions(files);
  REQUIRE(std::is_sorted(devices.begin(), devices.end()));
}

TEST_CASE("reading a directory and listing a file are errors") {
  const std::string name = EACH_HOST;
  const auto subject = open_subject(name);
  FileSystem& files = subject->host->files();
  REQUIRE_THROWS_AS(files.read("/sys/kernel"), HostError);
  REQUIRE_THROWS_AS(files.list("/proc/cpuinfo"), HostError);
  const HostError error = host_error_of([&] { files.read_link("/proc/cpuinfo"); });
  require_sentence(error, HostError::Kind::failed, "/proc/cpuinfo");
}

TEST_CASE("PCI functions are links into /sys/devices, with the attributes of sysfs") {
  const std::string name = EACH_HOST;
  const auto subject = open_subject(name);
  FileSystem& files = subject->host->files();
  for (const std::string& function : pci_functions(files)) {
    CAPTURE(function);
    REQUIRE(parse_bdf(function));
    const std::string path = std::string(pci_devices) + "/" + function;
    REQUIRE(files.kind(path) == FileKind::symlink);
    REQUIRE(files.read_link(path).rfind("../../../devices/", 0) == 0);
    const auto entries = files.list(path);
    for (const char* attribute : {"class", "device", "driver_override", "resource", "vendor"}) {
      CAPTURE(attribute);
      REQUIRE(std::binary_search(entries.begin(), entries.end(), attribute));
      REQUIRE(files.kind(path + "/" + attribute) == FileKind::file);
      REQUIRE(files.read(path + "/" + attribute).back() == '\n');
    }
    REQUIRE(files.read(path + "/vendor").rfind("0x", 0) == 0);
    REQUIRE(files.read(path + "/class").size() == 9);  // 0x030200 and a newline
    const auto driver = files.kind(path + "/driver");
    REQUIRE((driver == FileKind::none || driver == FileKind::symlink));
  }
  REQUIRE(read_pci_functions(files).size() == pci_functions(files).size());
}

TEST_CASE("the files of /proc that are looked at have the kernel's form") {
  const std::string name = EACH_HOST;
  const auto subject = open_subject(name);
  FileSystem& files = subject->host->files();
  REQUIRE_THAT(files.read("/proc/cpuinfo"), contains("processor\t: 0\n"));
  REQUIRE_THAT(files.read("/proc/meminfo"), contains("MemTotal:"));
  REQUIRE_FALSE(files.read("/proc/cmdline").empty());
  REQUIRE_FALSE(files.list("/proc").empty());
}

TEST_CASE("files are read by many threads at once") {
  const std::string name = EACH_HOST;
  const auto subject = open_subject(name);
  FileSystem& files = subject->host->files();
  const auto devices = pci_functions(files);
  const std::string expected = files.read("/proc/cpuinfo");
  std::vector<std::thread> threads;
  std::vector<int> right(8, 0);
  for (std::size_t i = 0; i < right.size(); ++i) {
    threads.emplace_back([&, i] {
      for (int n = 0; n < 20; ++n) {
        const std::string path = subject->directory + "/" + std::to_string(i);
        files.put_file(path, std::to_string(n), 0600);
        right[i] += files.read(path) == std::to_string(n) && pci_functions(files) == devices ? 1 : 0;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  REQUIRE(right == std::vector<int>(8, 20));
}
