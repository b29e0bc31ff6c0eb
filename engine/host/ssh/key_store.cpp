#include "host/ssh/key_store.h"

#include <fmt/format.h>

#include <algorithm>

namespace gpuplan {
namespace {

constexpr unsigned private_mode = 0600;
constexpr const char* host_key_suffix = ".host_key";

std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

// "ssh-ed25519 AAAA…" of a public key file, without the comment.
std::string without_comment(const std::string& line) {
  const std::size_t second = line.find(' ', line.find(' ') + 1);
  return line.substr(0, second);
}

bool ends_with(const std::string& text, std::string_view end) {
  return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

}  // namespace

KeyStore::KeyStore(std::string directory, FileSystem& files, CommandRunner run)
    : directory_(std::move(directory)), files_(files), run_(std::move(run)) {}

std::string KeyStore::host_key_file(const std::string& node) const {
  return fmt::format("{}/{}{}", directory_, node, host_key_suffix);
}

std::string KeyStore::known_hosts_file(const std::string& node) const {
  return fmt::format("{}/{}.known_hosts", directory_, node);
}

// The public half is put in place first: where a private key stands, its public one does too.
void KeyStore::make_pair(const std::string& path, const std::string& comment) {
  if (files_.kind(path) != FileKind::none) return;
  const std::string fresh = path + ".new";
  files_.remove_file(fresh);
  files_.remove_file(fresh + ".pub");
  const Command keygen{{"ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", fresh}, {}};
  require_success(keygen, run_(keygen));
  files_.put_file(path + ".pub", files_.read(fresh + ".pub"), private_mode);
  files_.put_file(path, files_.read(fresh), private_mode);
  files_.remove_file(fresh);
  files_.remove_file(fresh + ".pub");
}

GuestCredentials KeyStore::credentials(const std::string& node) {
  if (directory_.empty()) {
    throw HostError(HostError::Kind::unsupported, node,
                    fmt::format("there is no directory for the ssh keys of {}: no cluster is named", node));
  }
  const std::lock_guard<std::mutex> lock(mutex_);
  files_.make_directory(directory_, 0700);
  make_pair(identity_file(), "gpuplan");
  make_pair(host_key_file(node), node);
  GuestCredentials made;
  made.authorized_key = first_line(files_.read(identity_file() + ".pub"));
  made.host_key = files_.read(host_key_file(node));
  made.host_key_public = without_comment(first_line(files_.read(host_key_file(node) + ".pub")));
  const std::string known = fmt::format("{} {}\n", node, made.host_key_public);
  const std::string path = known_hosts_file(node);
  if (files_.kind(path) == FileKind::none || files_.read(path) != known) files_.put_file(path, known, private_mode);
  return made;
}

bool KeyStore::has(const std::string& node) {
  return !directory_.empty() && files_.kind(identity_file()) != FileKind::none &&
         files_.kind(known_hosts_file(node)) != FileKind::none;
}

void KeyStore::forget(const std::string& node) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (directory_.empty() || files_.kind(directory_) == FileKind::none) return;
  // known_hosts first: from then on nobody tries to log in.
  for (const std::string& path : {known_hosts_file(node), host_key_file(node), host_key_file(node) + ".pub"}) {
    files_.remove_file(path);
  }
  const std::vector<std::string> left = files_.list(directory_);
  const bool others = std::any_of(left.begin(), left.end(),
                                  [](const std::string& name) { return ends_with(name, host_key_suffix); });
  if (others) return;
  for (const char* suffix : {"", ".pub"}) files_.remove_file(identity_file() + suffix);
  files_.remove_directory(directory_);
}

}  // namespace gpuplan
