#include <sys/stat.h>

#include <chrono>
#include <filesystem>
#include <fstream>

#include "digest/digest.h"
#include "host/libvirt/volume_source.h"
#include "support/catch.h"
#include "support/host_error_of.h"
#include "support/host_files.h"

using namespace gpuplan;

namespace {

std::string all_of(VolumeSource& source, std::size_t chunk) {
  std::string all;
  std::string buffer(chunk, '\0');
  while (const std::size_t count = source.next(buffer.data(), chunk)) all.append(buffer, 0, count);
  return all;
}

}  // namespace

TEST_CASE("a text is given in pieces") {
  const std::string text = "0123456789";
  TextSource source(text);
  REQUIRE(source.size() == 10);
  REQUIRE(all_of(source, 3) == text);
}

TEST_CASE("a raw image is given whole, and is right by its digest") {
  const TemporaryDirectory directory;
  const std::string content = std::string(3U << 20U, 'x') + "end";
  make_file(directory / "image", content);
  for (const std::string& sha256 : {std::string(), sha256_hex(content)}) {
    ImageFile image(directory / "image", sha256);
    REQUIRE(image.format() == "raw");
    REQUIRE(image.size() == content.size());
    REQUIRE(image.capacity() == image.size());
    REQUIRE(all_of(image, 100'000) == content);
    REQUIRE_NOTHROW(image.require_right());
  }
  make_file(directory / "small", "abc");
  ImageFile small(directory / "small", std::string(64, '0'));
  REQUIRE(all_of(small, 2) == "abc");
  const HostError wrong = host_error_of([&] { small.require_right(); });
  REQUIRE(wrong.kind() == HostError::Kind::refused);
  REQUIRE(std::string(wrong.what()) ==
          "the disk image " + (directory / "small") +
              " has the SHA-256 ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad, not " + std::string(64, '0') +
              "; fetch it again, or correct image.sha256 in the spec");
}

TEST_CASE("an image that changes while it is read is judged by what was given of it") {
  const TemporaryDirectory directory;
  const std::string path = directory / "image", good(200'000, 'g'), bad(200'000, 'b');
  make_file(path, good);
  ImageFile image(path, sha256_hex(good));
  std::string given(100'000, '\0');
  REQUIRE(image.next(given.data(), given.size()) == 32);  // the header, which was looked at before
  SECTION("written to: the bytes that were given count, and not those that were there before or are there after") {
    make_file(path, bad);
    REQUIRE(all_of(image, 50'000) == bad.substr(32));
    make_file(path, good);
    REQUIRE_THAT(host_error_of([&] { image.require_right(); }).what(), contains("has the SHA-256"));
  }
  SECTION("replaced: the file that was opened is read on") {
    make_file(directory / "other", bad);
    std::filesystem::rename(directory / "other", path);
    REQUIRE(all_of(image, 50'000) == good.substr(32));
    REQUIRE_NOTHROW(image.require_right());
  }
  SECTION("cut short") {
    std::filesystem::resize_file(path, 1000);
    all_of(image, 50'000);
    REQUIRE_THAT(host_error_of([&] { image.require_right(); }).what(), contains("has the SHA-256"));
  }
}

TEST_CASE("an image without a digest that changes while it is read is refused") {
  const TemporaryDirectory directory;
  const std::string path = directory / "image", content(200'000, 'g');
  make_file(path, content);
  ImageFile image(path);
  SECTION("longer: no more is given than was said") {
    std::ofstream(path, std::ios::app) << "more";
    REQUIRE(all_of(image, 50'000) == content);
  }
  SECTION("shorter") {
    std::filesystem::resize_file(path, 1000);
    REQUIRE(all_of(image, 50'000).size() == 1000);
  }
  SECTION("another content") {
    REQUIRE(all_of(image, 50'000) == content);
    make_file(path, std::string(200'000, 'b'));
    std::filesystem::last_write_time(path, std::filesystem::file_time_type::clock::now() + std::chrono::seconds(1));
  }
  const HostError error = host_error_of([&] { image.require_right(); });
  REQUIRE(error.kind() == HostError::Kind::refused);
  REQUIRE(std::string(error.what()) ==
          "the disk image " + path + " was changed while it was copied, and the copy was thrown away; run the same command "
          "again when nobody writes to it any more");
}

TEST_CASE("what is no file is no image, and is not waited for") {
  const TemporaryDirectory directory;
  REQUIRE(mkfifo((directory / "pipe").c_str(), 0600) == 0);
  for (const std::string& path : {directory / "pipe", std::string("/dev/null")}) {
    const HostError error = host_error_of([&] { ImageFile image(path); });
    REQUIRE(error.kind() == HostError::Kind::refused);
    REQUIRE(std::string(error.what()) == "the disk image " + path + " is no regular file; name a file by image.path in the spec");
  }
  // Whoever links images means what is linked.
  make_file(directory / "image", "abc");
  std::filesystem::create_symlink(directory / "image", directory / "link");
  REQUIRE(ImageFile(directory / "link").size() == 3);
}

TEST_CASE("a qcow2 image is known by its header, which says how large the disk is") {
  const TemporaryDirectory directory;
  // Magic, version 3, no backing file (8 + 4 bytes), cluster_bits 16, size 5 GiB.
  const std::string header("QFI\xfb\0\0\0\x03\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x10\0\0\0\x01\x40\0\0\0", 32);
  make_file(directory / "image", header + std::string(100, '\0'));
  ImageFile image(directory / "image");
  REQUIRE(image.format() == "qcow2");
  REQUIRE(image.size() == 132);
  REQUIRE(image.capacity() == 5ULL << 30U);
  REQUIRE(all_of(image, 64).substr(0, 32) == header);
  make_file(directory / "short", "QFI\xfb");
  REQUIRE(ImageFile(directory / "short").format() == "raw");
}

TEST_CASE("an image that cannot be read is named") {
  const TemporaryDirectory directory;
  const HostError missing = host_error_of([&] { ImageFile image(directory / "none"); });
  REQUIRE(missing.kind() == HostError::Kind::not_found);
  REQUIRE(std::string(missing.what()) ==
          "cannot read the disk image " + (directory / "none") + ": no such file or directory");
  REQUIRE_THROWS_AS(ImageFile(directory.path()), HostError);
}

TEST_CASE("a digest of pieces is the digest of the whole") {
  Sha256 digest;
  for (const char* piece : {"a", "", "bc"}) digest.add(piece);
  REQUIRE(digest.hex() == sha256_hex("abc"));
  // FIPS 180-2, appendix B.1.
  REQUIRE(sha256_hex("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  Sha256 nothing;
  REQUIRE(nothing.hex() == sha256_hex(""));
}
