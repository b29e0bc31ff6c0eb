// Fingerprints of texts, base64, and unpredictable names. The only folder that includes OpenSSL.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace gpuplan {

// SHA-256 of `bytes` as 64 lower-case hexadecimal digits. Thread-safe.
std::string sha256_hex(std::string_view bytes);

// The SHA-256 of bytes that come in pieces (a file too large for memory). Not thread-safe.
class Sha256 {
 public:
  Sha256();  // throws std::runtime_error if this OpenSSL has no SHA-256
  ~Sha256();
  Sha256(const Sha256&) = delete;
  Sha256& operator=(const Sha256&) = delete;

  void add(std::string_view bytes);
  // As sha256_hex of everything added. To be called once, at the end.
  std::string hex();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// The fingerprint of an ssh public key, "ssh-ed25519 AAAA…", as ssh-keygen(1) -l prints it: "SHA256:" and the digest in
// base64 without padding. Throws std::invalid_argument if the second word is no base64. Thread-safe.
std::string ssh_fingerprint(std::string_view public_key);

// Base64 with padding (RFC 4648, section 4), without line breaks. from_base64: nothing for what is none. Thread-safe.
std::string to_base64(std::string_view bytes);
std::optional<std::string> from_base64(std::string_view text);

// `count` random bytes from the kernel's generator as 2*count hexadecimal digits.
// Throws std::runtime_error if the generator fails. Thread-safe.
std::string random_hex(std::size_t count);

}  // namespace gpuplan
