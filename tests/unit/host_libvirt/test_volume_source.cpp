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

TEST_CASE("a raw image is given whole, also after its digest was taken") {
  const TemporaryDirectory directory;
  const std::string content(3U << 20U, 'x');
  make_file(directory / "image", content + "end");
  ImageFile image(directory / "image");
  REQUIRE(image.format() == "raw");
  REQUIRE(image.size() == content.size() + 3);
  REQUIRE(image.capacity() == image.size());
  REQUIRE(image.sha256() == sha256_hex(content + "end"));
  REQUIRE(all_of(image, 100'000) == content + "end");
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
