// The files that a spec names: read beside it, and refused if they are not what they should be.
#include <fstream>

#include "describe_spec.h"
#include "digest/certificate.h"
#include "digest/digest.h"
#include "spec/read_spec.h"
#include "support/catch.h"
#include "support/temporary_directory.h"

namespace gpuplan {
namespace {

const std::string fixtures = std::string(GPUPLAN_SOURCE_DIR) + "/tests/corpus/spec/";

std::string content_of(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

class Folder {
 public:
  std::string write(const std::string& name, const std::string& content) {
    std::ofstream(directory_ / name, std::ios::binary) << content;
    return directory_ / name;
  }
  // What is wrong with a spec that has these sections, without the folder's own name.
  std::string problems_of(const std::string& sections) {
    Diagnostics diagnostics;
    spec = read_spec_file(write("spec.yaml", "worker_gpu_assignment: {worker-1: []}\n" + sections), diagnostics);
    std::string text = render_all(diagnostics);
    for (std::size_t at = text.find(directory_.path()); at != std::string::npos; at = text.find(directory_.path()))
      text.replace(at, directory_.path().size(), "DIR");
    CHECK(diagnostics.has_errors() == !spec);
    return text;
  }
  std::optional<Spec> spec;

 private:
  TemporaryDirectory directory_;
};

}  // namespace

TEST_CASE("spec files: what they hold is in the spec, with its digest") {
  Folder folder;
  const std::string pem = content_of(fixtures + "lan.pem");
  folder.write("lan.pem", pem);
  folder.write("mirror.asc", content_of(fixtures + "mirror.asc"));
  REQUIRE(folder
              .problems_of("mirrors: {packages: {ubuntu: https://m.lan/u}, keys: {ubuntu: "
                           "mirror.asc}}\nca_certificates: [lan.pem]\n")
              .empty());
  REQUIRE(folder.spec);
  REQUIRE(folder.spec->ca_certificates.size() == 1);
  CHECK(folder.spec->ca_certificates[0].content == pem);
  CHECK(folder.spec->ca_certificates[0].sha256 == sha256_hex(pem));
  CHECK(folder.spec->mirrors.keys.at("ubuntu").sha256 == sha256_hex(content_of(fixtures + "mirror.asc")));
}

TEST_CASE("spec files: one that is missing, a key, or no certificate, all at once and each at its place") {
  Folder folder;
  const std::string pem = content_of(fixtures + "lan.pem");
  folder.write("key.pem", pem + "-----BEGIN EC PRIVATE KEY-----\nMHc=\n-----END EC PRIVATE KEY-----\n");
  folder.write("text.pem", "no certificate\n");
  folder.write("broken.pem", "-----BEGIN CERTIFICATE-----\nMHc=\n-----END CERTIFICATE-----\n");
  folder.write("large.pem", std::string(300'000, 'a'));
  const std::string text =
      folder.problems_of("ca_certificates: [absent.pem, key.pem, text.pem, broken.pem, large.pem]\n");
  CHECK_THAT(text, contains("DIR/spec.yaml:2:19: error: DIR/absent.pem: there is no such file"));
  CHECK_THAT(text,
             contains("DIR/spec.yaml:2:31: error: key.pem is not a file of certificates: it holds a private key"));
  CHECK_THAT(text, contains("text.pem is not a file of certificates: it has no line -----BEGIN CERTIFICATE-----"));
  CHECK_THAT(text, contains("broken.pem is not a file of certificates: certificate 1 in it cannot be read"));
  CHECK_THAT(text, contains("large.pem: the file is larger than 262144 bytes"));
  CHECK_THAT(text, !contains("MHc="));
}

TEST_CASE("spec files: keys of packages are armored public ones") {
  Folder folder;
  const std::string key = content_of(fixtures + "mirror.asc");
  folder.write("secret.asc", "-----BEGIN PGP PRIVATE KEY BLOCK-----\n\nxyz\n-----END PGP PRIVATE KEY BLOCK-----\n");
  folder.write("binary.asc", std::string("\x99\x01\x0d\x04", 4));
  folder.write("cut.asc", key.substr(0, key.size() / 2));
  const std::string text = folder.problems_of(
      "mirrors:\n  packages: {ubuntu: http://m, debian: http://m, nvidia: http://m}\n"
      "  keys: {ubuntu: secret.asc, debian: binary.asc, nvidia: cut.asc}\n");
  CHECK_THAT(text, contains("secret.asc is not an armored OpenPGP key: it holds a private key"));
  CHECK_THAT(
      text,
      contains("binary.asc is not an armored OpenPGP key: it has no line -----BEGIN PGP PUBLIC KEY BLOCK-----"));
  CHECK_THAT(text, contains("cut.asc is not an armored OpenPGP key: its end is missing"));
}

TEST_CASE("spec files: a path that is refused is not opened") {
  Folder folder;
  const std::string text = folder.problems_of("ca_certificates: [/dev/zero, absent.pem]\n");
  CHECK_THAT(text, contains("\"/dev/zero\" cannot be the file of a certificate"));
  CHECK_THAT(text, !contains("there is no such file"));
}

TEST_CASE("certificate_problem: chains, comments and other blocks") {
  const std::string pem = content_of(fixtures + "lan.pem");
  CHECK(certificate_problem(pem).empty());
  CHECK(certificate_problem("Subject: CN=Example\n" + pem + "\r\n" + pem).empty());
  CHECK(certificate_problem("") == "it has no line -----BEGIN CERTIFICATE-----");
  CHECK(certificate_problem(pem + "-----BEGIN ") == "a line BEGIN is broken");
  CHECK(certificate_problem(pem + "-----BEGIN ENCRYPTED PRIVATE KEY-----\n") == "it holds a private key");
  CHECK(certificate_problem("-----BEGIN CERTIFICATE REQUEST-----\n") == "it holds a block CERTIFICATE REQUEST");
  CHECK(certificate_problem(pem.substr(0, pem.size() / 2)) == "certificate 1 in it cannot be read");
  CHECK(certificate_problem(pem + pem.substr(0, pem.size() / 2)) == "certificate 2 in it cannot be read");
}

}  // namespace gpuplan
