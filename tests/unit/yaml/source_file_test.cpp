#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "support/catch.h"
#include "yaml/parse.h"

namespace gpuplan {
namespace {

// A directory that goes with its test.
class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    std::string pattern = (std::filesystem::temp_directory_path() / "gpuplan-yaml-XXXXXX").string();
    REQUIRE(::mkdtemp(pattern.data()) != nullptr);
    path_ = pattern;
  }
  ~TemporaryDirectory() { std::filesystem::remove_all(path_); }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  std::string file(const std::string& name) const { return (path_ / name).string(); }

 private:
  std::filesystem::path path_;
};

std::string refusal(const std::string& path, std::size_t max_bytes = 1U << 20U) {
  Diagnostics diagnostics;
  CHECK(read_source_file(path, diagnostics, max_bytes) == nullptr);
  REQUIRE(diagnostics.items().size() == 1);
  return render(diagnostics.items()[0], false);
}

}  // namespace

TEST_CASE("a file is read as it is") {
  const TemporaryDirectory directory;
  const std::string path = directory.file("spec.yaml");
  const std::string text("a: 1\r\n\0\xff", 8);
  std::ofstream(path, std::ios::binary) << text;
  Diagnostics diagnostics;
  const auto file = read_source_file(path, diagnostics);
  REQUIRE(file != nullptr);
  CHECK(file->name == path);
  CHECK(file->text == text);
  CHECK(diagnostics.items().empty());
}

TEST_CASE("what is no readable file is refused with the path and what to do") {
  const TemporaryDirectory directory;
  const std::string missing = directory.file("missing.yaml");
  CHECK(refusal(missing) == "error: " + missing + ": there is no such file\n  next: check the path\n");
  CHECK_THAT(refusal(directory.file("")), contains("this is a directory, not a file"));
  const std::string pipe = directory.file("pipe");
  REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
  CHECK_THAT(refusal(pipe), contains(pipe + ": this is a device or pipe, not a file"));
  CHECK_THAT(refusal("/dev/zero"), contains("this is a device or pipe, not a file"));
  std::ofstream(directory.file("file")) << "x";
  CHECK_THAT(refusal(directory.file("file/below")), contains("a part of the path is not a directory"));
  CHECK_THAT(refusal(std::string("a\0b", 3)), contains("a path must not contain a NUL character"));
}

TEST_CASE("a file that is too large is refused by its size") {
  const TemporaryDirectory directory;
  const std::string path = directory.file("huge.yaml");
  std::ofstream(path) << "";
  std::filesystem::resize_file(path, 100U << 20U);  // sparse
  CHECK(refusal(path) == path + ":1:1: error: the file is larger than 1048576 bytes\n" +
                             "  next: check that this is the file you meant\n");
  std::ofstream(directory.file("eleven")) << "12345678901";
  CHECK_THAT(refusal(directory.file("eleven"), 10), contains("larger than 10 bytes"));
  Diagnostics diagnostics;
  CHECK(read_source_file(directory.file("eleven"), diagnostics, 11) != nullptr);
}

TEST_CASE("a file whose size is not known beforehand is read to the end, but not beyond the limit") {
  Diagnostics diagnostics;
  const auto file = read_source_file("/proc/self/status", diagnostics);
  REQUIRE(file != nullptr);
  CHECK_THAT(file->text, contains("Name:"));
  CHECK_THAT(refusal("/proc/self/status", 10), contains("larger than 10 bytes"));
}

}  // namespace gpuplan
