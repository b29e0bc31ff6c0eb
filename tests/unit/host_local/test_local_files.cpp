#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <thread>

#include "host/local/local_files.h"
#include "support/catch.h"
#include "support/host_error_of.h"
#include "support/host_files.h"

using namespace gpuplan;

namespace {

struct Files : TemporaryDirectory {
  LocalFiles files{"", std::chrono::seconds(10), GPUPLAN_FILE_ACCESS_CHILD, std::make_shared<AbandonedChildren>()};

  std::vector<std::string> names() { return files.list(path()); }
};

unsigned mode_of(const std::string& path) {
  struct stat status {};
  REQUIRE(lstat(path.c_str(), &status) == 0);
  return status.st_mode & 07777U;
}

}  // namespace

TEST_CASE("put_file makes exactly this file") {
  Files here;
  const mode_t before = umask(0077);
  here.files.put_file(here / "unit.conf", std::string("a\0b\n", 4), 0644);
  umask(before);
  REQUIRE(content_of(here / "unit.conf") == std::string("a\0b\n", 4));
  REQUIRE(mode_of(here / "unit.conf") == 0644);
  REQUIRE(here.names() == std::vector<std::string>{"unit.conf"});  // nothing left beside it
}

TEST_CASE("put_file replaces a file and never writes into the old one") {
  Files here;
  make_file(here / "secret", "old and long");
  chmod((here / "secret").c_str(), 0644);
  const int reader = open((here / "secret").c_str(), O_RDONLY | O_CLOEXEC);
  here.files.put_file(here / "secret", "new", 0600);
  std::string seen(64, '\0');
  const ssize_t count = read(reader, seen.data(), seen.size());
  close(reader);
  seen.resize(static_cast<std::size_t>(count));
  REQUIRE(seen == "old and long");
  REQUIRE(content_of(here / "secret") == "new");
  REQUIRE(mode_of(here / "secret") == 0600);
}

TEST_CASE("put_file follows no symbolic link") {
  Files here;
  make_file(here / "victim", "untouched");
  std::filesystem::create_symlink("victim", here / "link");
  const HostError error = host_error_of([&] { here.files.put_file(here / "link", "x", 0600); });
  REQUIRE(error.kind() == HostError::Kind::refused);
  REQUIRE(std::string(error.what()) == "cannot replace " + (here / "link") +
                                           ": it is a symbolic link, and gpuplan follows none; remove the link");
  REQUIRE(content_of(here / "victim") == "untouched");
  REQUIRE(here.files.read_link(here / "link") == "victim");
  std::filesystem::create_symlink("nowhere", here / "dangling");
  REQUIRE(host_error_of([&] { here.files.put_file(here / "dangling", "x", 0600); }).kind() == HostError::Kind::refused);
  REQUIRE_FALSE(std::filesystem::exists(here / "nowhere"));
}

TEST_CASE("put_file refuses what is not a regular file") {
  Files here;
  std::filesystem::create_directory(here / "directory");
  mkfifo((here / "fifo").c_str(), 0600);
  for (const char* name : {"directory", "fifo"}) {
    const HostError error = host_error_of([&] { here.files.put_file(here / name, "x", 0600); });
    REQUIRE(error.kind() == HostError::Kind::refused);
    REQUIRE(std::string(error.what()) == "cannot replace " + (here / name) + ": it is not a regular file");
  }
  REQUIRE(here.names() == std::vector<std::string>{"directory", "fifo"});
}

TEST_CASE("put_file as root refuses a directory into which others can write") {
  if (geteuid() != 0) return;
  Files here;
  std::filesystem::create_directory(here / "open");
  const std::string directory = here / "open";
  SECTION("everybody") { chmod(directory.c_str(), 01777); }
  SECTION("a group") {
    chmod(directory.c_str(), 0775);
    REQUIRE(chown(directory.c_str(), 0, 100) == 0);
  }
  SECTION("its owner") { REQUIRE(chown(directory.c_str(), 1000, 0) == 0); }
  const HostError error = host_error_of([&] { here.files.put_file(directory + "/file", "x", 0600); });
  REQUIRE(error.kind() == HostError::Kind::refused);
  REQUIRE(std::string(error.what()) ==
          "cannot replace " + directory + "/file: others than root can write into " + directory +
              "; make it root's own (chown root:root, chmod 755)");
  REQUIRE(std::filesystem::is_empty(directory));
}

TEST_CASE("put_file does not make directories") {
  Files here;
  REQUIRE(host_error_of([&] { here.files.put_file(here / "none/file", "x", 0600); }).kind() ==
          HostError::Kind::not_found);
}

TEST_CASE("many put_file of one path leave one whole content") {
  Files here;
  std::vector<std::thread> threads;
  for (char c = 'a'; c < 'i'; ++c) {
    threads.emplace_back([&here, c] {
      for (int i = 0; i < 5; ++i) here.files.put_file(here / "file", std::string(100'000, c), 0600);
    });
  }
  for (std::thread& thread : threads) thread.join();
  const std::string content = content_of(here / "file");
  REQUIRE(content == std::string(100'000, content.at(0)));
  REQUIRE(here.names() == std::vector<std::string>{"file"});
}

TEST_CASE("write makes one write into what exists") {
  Files here;
  make_file(here / "file", "0123456789");
  here.files.write(here / "file", "ab", std::chrono::seconds(1));
  REQUIRE(content_of(here / "file") == "ab23456789");
  REQUIRE(host_error_of([&] { here.files.write(here / "none", "x", std::chrono::seconds(1)); }).kind() ==
          HostError::Kind::not_found);
  REQUIRE(here.files.kind(here / "none") == FileKind::none);
  REQUIRE_THAT(host_error_of([&] { here.files.write(here.path(), "x", std::chrono::seconds(1)); }).what(),
               contains("cannot write " + here.path() + ": is a directory"));
}

TEST_CASE("directories are made with their parents and removed when empty") {
  Files here;
  const mode_t before = umask(0077);
  here.files.make_directory(here / "a/b/c", 0750);
  umask(before);
  REQUIRE(mode_of(here / "a/b/c") == 0750);
  REQUIRE(mode_of(here / "a/b") == 0755);
  here.files.make_directory(here / "a/b/c", 0700);  // present: left as it is
  REQUIRE(mode_of(here / "a/b/c") == 0750);
  here.files.remove_directory(here / "a/b");  // not empty
  REQUIRE(here.files.kind(here / "a/b/c") == FileKind::directory);
  here.files.remove_directory(here / "a/b/c");
  here.files.remove_directory(here / "a/b/c");  // absent
  REQUIRE(here.files.kind(here / "a/b/c") == FileKind::none);
  make_file(here / "file", "");
  REQUIRE_THAT(host_error_of([&] { here.files.make_directory(here / "file", 0700); }).what(),
               contains("cannot make the directory " + (here / "file") + ": not a directory"));
}

TEST_CASE("removing a file") {
  Files here;
  make_file(here / "file", "x");
  std::filesystem::create_symlink("file", here / "link");
  here.files.remove_file(here / "link");  // the link, not what it names
  REQUIRE(here.names() == std::vector<std::string>{"file"});
  here.files.remove_file(here / "file");
  here.files.remove_file(here / "file");
  here.files.remove_file(here / "no/such/directory/file");
  REQUIRE(here.names().empty());
  REQUIRE_THROWS_AS(here.files.remove_file(here.path()), HostError);
}

TEST_CASE("a path that is not absolute is refused") {
  Files here;
  REQUIRE(std::string(host_error_of([&] { here.files.read("etc/hostname"); }).what()) ==
          "cannot use the path \"etc/hostname\": it is not absolute");
  REQUIRE_THROWS_AS(here.files.kind(""), HostError);
  REQUIRE_THROWS_AS(here.files.read(std::string("/etc/hostname\0x", 15)), HostError);
}
