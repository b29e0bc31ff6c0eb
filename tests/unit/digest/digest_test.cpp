#include "digest/digest.h"

#include <future>
#include <vector>

#include "support/catch.h"

using namespace gpuplan;

namespace {

// FIPS 180-2, appendix B.
constexpr const char* of_nothing = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
constexpr const char* of_abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
constexpr const char* of_a_million = "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0";

}  // namespace

TEST_CASE("digest: SHA-256 of one text does not depend on those before it") {
  const std::string million(1'000'000, 'a');
  CHECK(sha256_hex("abc") == of_abc);
  CHECK(sha256_hex("") == of_nothing);
  CHECK(sha256_hex(million) == of_a_million);
  CHECK(sha256_hex("abc") == of_abc);
}

TEST_CASE("digest: SHA-256 in pieces is that of the whole, also with others computed in between") {
  Sha256 pieces;
  for (int i = 0; i < 1000; ++i) {
    pieces.add(std::string(1000, 'a'));
    if (i % 100 == 0) CHECK(sha256_hex("abc") == of_abc);
  }
  CHECK(pieces.hex() == of_a_million);
}

TEST_CASE("digest: threads compute SHA-256 at the same time") {
  std::vector<std::future<bool>> threads;
  for (int i = 0; i < 4; ++i) {
    threads.push_back(std::async(std::launch::async, [] {
      bool right = true;
      for (int round = 0; round < 2000; ++round) right = sha256_hex("abc") == of_abc && sha256_hex("") == of_nothing && right;
      return right;
    }));
  }
  for (auto& thread : threads) CHECK(thread.get());
}
