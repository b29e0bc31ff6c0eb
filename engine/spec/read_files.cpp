// The files that a spec names: certificates and keys.
#include <fmt/format.h>

#include "digest/certificate.h"
#include "digest/digest.h"
#include "spec/sections.h"
#include "yaml/parse.h"

namespace gpuplan {
namespace {

constexpr std::size_t max_bytes = 256U << 10U;

std::string beside(const std::string& spec_path, const std::string& path) {
  if (path.front() == '/') return path;
  const std::size_t slash = spec_path.rfind('/');
  return slash == std::string::npos ? path : spec_path.substr(0, slash + 1) + path;
}

std::string key_problem(std::string_view text) {
  if (text.find("PRIVATE KEY") != std::string_view::npos) return "it holds a private key";
  const std::size_t begin = text.find("-----BEGIN PGP PUBLIC KEY BLOCK-----");
  if (begin == std::string_view::npos) return "it has no line -----BEGIN PGP PUBLIC KEY BLOCK-----";
  return text.find("-----END PGP PUBLIC KEY BLOCK-----", begin) == std::string_view::npos ? "its end is missing" : "";
}

// False, and said, if it cannot be read.
bool read(SpecFile& file, const std::string& spec_path, Diagnostics& diagnostics) {
  Diagnostics found;
  const auto source = read_source_file(beside(spec_path, file.path), found, max_bytes);
  if (source) {
    file.content = source->text;
    file.sha256 = sha256_hex(file.content);
    return true;
  }
  for (const Diagnostic& problem : found.items()) {
    const bool names_it = problem.summary.find(file.path) != std::string::npos;
    diagnostics.error(file.where, names_it ? problem.summary : fmt::format("{}: {}", file.path, problem.summary),
                      "check the path");
  }
  return false;
}

}  // namespace

void read_files(Spec& spec, const std::string& spec_path, Diagnostics& diagnostics) {
  if (diagnostics.has_errors()) return;  // a path that was refused is not to be opened
  for (SpecFile& file : spec.ca_certificates) {
    if (!read(file, spec_path, diagnostics)) continue;
    const std::string problem = certificate_problem(file.content);
    if (problem.empty()) continue;
    diagnostics.error(file.where, fmt::format("{} is not a file of certificates: {}", file.path, problem),
                      "give the certificates of your authorities alone, in PEM");
  }
  for (auto& [name, file] : spec.mirrors.keys) {
    if (!read(file, spec_path, diagnostics)) continue;
    const std::string problem = key_problem(file.content);
    if (problem.empty()) continue;
    diagnostics.error(file.where, fmt::format("{} is not an armored OpenPGP key: {}", file.path, problem),
                      "make it with: gpg --armor --export KEY");
  }
}

}  // namespace gpuplan
