#include "digest/digest.h"

#include <openssl/evp.h>
#include <openssl/rand.h>

#include <array>
#include <stdexcept>
#include <vector>

namespace gpuplan {
namespace {

[[noreturn]] void no_sha256() { throw std::runtime_error("SHA-256 is not available in this OpenSSL"); }

using Context = std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)>;

Context sha256_context() {
  Context context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  if (!context || EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr) != 1) no_sha256();
  return context;
}

template <typename Bytes>
std::string hex(const Bytes& bytes, std::size_t count) {
  static constexpr std::string_view digits = "0123456789abcdef";
  std::string out(count * 2, '0');
  for (std::size_t i = 0; i < count; ++i) {
    out[2 * i] = digits[bytes[i] >> 4U];
    out[2 * i + 1] = digits[bytes[i] & 0xFU];
  }
  return out;
}

}  // namespace

std::string sha256_hex(std::string_view bytes) {
  // To look the algorithm up takes longer than to digest a short text, so each thread does it once.
  thread_local const Context context = sha256_context();
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  if (EVP_DigestInit_ex(context.get(), nullptr, nullptr) != 1 ||
      EVP_DigestUpdate(context.get(), bytes.data(), bytes.size()) != 1 ||
      EVP_DigestFinal_ex(context.get(), digest.data(), &size) != 1) {
    no_sha256();
  }
  return hex(digest, size);
}

struct Sha256::State {
  Context context = sha256_context();
};

Sha256::Sha256() : state_(std::make_unique<State>()) {}

Sha256::~Sha256() = default;

void Sha256::add(std::string_view bytes) {
  if (EVP_DigestUpdate(state_->context.get(), bytes.data(), bytes.size()) != 1) no_sha256();
}

std::string Sha256::hex() {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  if (EVP_DigestFinal_ex(state_->context.get(), digest.data(), &size) != 1) no_sha256();
  return gpuplan::hex(digest, size);
}

std::string to_base64(std::string_view bytes) {
  std::vector<unsigned char> text((bytes.size() + 2) / 3 * 4 + 1);  // with the zero that EVP_EncodeBlock appends
  const auto* from = reinterpret_cast<const unsigned char*>(bytes.data());
  const int length = EVP_EncodeBlock(text.data(), from, static_cast<int>(bytes.size()));
  return {text.begin(), text.begin() + length};
}

std::optional<std::string> from_base64(std::string_view text) {
  std::vector<unsigned char> bytes(text.size() / 4 * 3);
  const auto* from = reinterpret_cast<const unsigned char*>(text.data());
  if (text.size() % 4 != 0 || EVP_DecodeBlock(bytes.data(), from, static_cast<int>(text.size())) < 0) return std::nullopt;
  // EVP_DecodeBlock counts the padding as bytes.
  for (std::size_t i = text.size(); i > 0 && text[i - 1] == '=' && !bytes.empty(); --i) bytes.pop_back();
  return std::string(bytes.begin(), bytes.end());
}

std::string ssh_fingerprint(std::string_view public_key) {
  const auto key = from_base64(public_key.substr(public_key.find(' ') + 1));
  if (!key) throw std::invalid_argument("an ssh key that is no base64");
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  if (EVP_Digest(key->data(), key->size(), digest.data(), &size, EVP_sha256(), nullptr) != 1) no_sha256();
  const std::string out = "SHA256:" + to_base64({reinterpret_cast<const char*>(digest.data()), size});
  return out.substr(0, out.find('='));
}

std::string random_hex(std::size_t count) {
  std::vector<unsigned char> bytes(count);
  if (RAND_bytes(bytes.data(), static_cast<int>(count)) != 1) {
    throw std::runtime_error("the random generator has not enough entropy");
  }
  return hex(bytes, count);
}

}  // namespace gpuplan
