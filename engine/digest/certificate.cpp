#include "digest/certificate.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <algorithm>
#include <memory>

namespace gpuplan {
namespace {

constexpr std::string_view begin_mark = "-----BEGIN ";
constexpr std::string_view end_of_mark = "-----";

// "CERTIFICATE" of the PEM block that begins at `from`; empty if its first line is none.
std::string label_at(std::string_view pem, std::size_t from) {
  from += begin_mark.size();
  const std::size_t line = std::min(pem.find('\n', from), pem.size());
  const std::size_t end = pem.substr(0, line).find(end_of_mark, from);
  return end == std::string_view::npos ? std::string() : std::string(pem.substr(from, end - from));
}

bool parses(std::string_view block) {
  const std::unique_ptr<BIO, decltype(&BIO_free)> bio(BIO_new_mem_buf(block.data(), static_cast<int>(block.size())),
                                                      &BIO_free);
  if (!bio) return false;
  const std::unique_ptr<X509, decltype(&X509_free)> certificate(
      PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr), &X509_free);
  ERR_clear_error();
  return certificate != nullptr;
}

}  // namespace

std::string certificate_problem(std::string_view pem) {
  std::size_t count = 0;
  for (std::size_t at = pem.find(begin_mark); at != std::string_view::npos; at = pem.find(begin_mark, at + 1)) {
    const std::string label = label_at(pem, at);
    if (label.find("PRIVATE KEY") != std::string::npos) return "it holds a private key";
    if (label != "CERTIFICATE")
      return label.empty() ? "a line BEGIN is broken" : "it holds a block " + label.substr(0, 40);
    ++count;
    const std::size_t next = std::min(pem.find(begin_mark, at + 1), pem.size());
    if (!parses(pem.substr(at, next - at))) return "certificate " + std::to_string(count) + " in it cannot be read";
  }
  return count == 0 ? "it has no line -----BEGIN CERTIFICATE-----" : "";
}

}  // namespace gpuplan
