// The ssh keys of a cluster: one pair with which this host logs in, and one host key per guest, made
// before the guest first boots.
#pragma once

#include <functional>
#include <mutex>
#include <string>

#include "host/ports.h"

namespace gpuplan {

// Runs a program of this host.
using CommandRunner = std::function<CommandResult(const Command&)>;

// DIRECTORY/id_ed25519[.pub]            with which this host logs in
// DIRECTORY/NODE.host_key[.pub]         what the guest identifies itself with
// DIRECTORY/NODE.known_hosts            the same for ssh, under the name NODE
// Directories have mode 0700, private keys 0600. Keys are OpenSSH's, made by ssh-keygen(1). Thread-safe.
class KeyStore {
 public:
  // `files` must outlive this object. Nothing is made yet. An empty directory: there is no store, and every
  // call of credentials() throws HostError::unsupported.
  KeyStore(std::string directory, FileSystem& files, CommandRunner run);

  // Makes what is missing; durable on return. Throws HostError.
  GuestCredentials credentials(const std::string& node);
  // The node's keys, and with the last node's those of the host.
  void forget(const std::string& node);
  // True if both sides' keys are there.
  bool has(const std::string& node);

  std::string identity_file() const { return directory_ + "/id_ed25519"; }
  std::string known_hosts_file(const std::string& node) const;

 private:
  std::string host_key_file(const std::string& node) const;
  void make_pair(const std::string& path, const std::string& comment);

  const std::string directory_;
  FileSystem& files_;
  const CommandRunner run_;
  std::mutex mutex_;
};

}  // namespace gpuplan
