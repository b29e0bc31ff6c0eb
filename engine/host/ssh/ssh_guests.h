// The Guests port through OpenSSH's client: https://man.openbsd.org/ssh.
#pragma once

#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "host/ssh/guest_files.h"
#include "host/ssh/key_store.h"

namespace gpuplan {

struct SshOptions {
  std::string key_directory;      // of the cluster, see KeyStore; empty: no guest can be reached
  std::string control_directory;  // under which the sockets of shared connections go: short, local, ours alone
};

// Runs ssh(1) once per call, over one shared connection per guest. Nothing of the user's own ssh configuration,
// agent or known hosts is used: a guest is who has the host key that it was given. No password is ever asked for.
class SshGuests : public Guests {
 public:
  // `files` must outlive this object. Nothing is contacted or made yet.
  SshGuests(SshOptions options, FileSystem& files, CommandRunner run);
  // Closes the shared connections; those of a process that was killed close by themselves after a minute.
  ~SshGuests() override;

  bool answers(const GuestTarget& guest) override;
  CommandResult query(const GuestTarget& guest, const Command& command) override { return run(guest, command); }
  // The command is killed on the guest, too, when its limit has passed.
  CommandResult run(const GuestTarget& guest, const Command& command) override;
  std::optional<std::string> get(const GuestTarget& guest, const std::string& path) override {
    return get_file(runner(guest), guest, path);
  }
  void put(const GuestTarget& guest, const std::string& path, const std::string& content, unsigned mode) override {
    put_file(runner(guest), guest, path, content, mode);
  }
  void remove(const GuestTarget& guest, const std::string& path) override { remove_file(runner(guest), guest, path); }
  GuestCredentials credentials(const std::string& node) override { return keys_.credentials(node); }
  void forget(const std::string& node) override { keys_.forget(node); }
  std::optional<std::vector<std::string>> login(const GuestTarget& guest, const std::vector<std::string>& command) override;

 private:
  CommandRunner runner(const GuestTarget& guest) {
    return [this, guest](const Command& command) { return run(guest, command); };
  }
  // With what every connection has in common: whose keys, and nothing of the user's own.
  std::vector<std::string> ssh_options(const GuestTarget& guest) const;
  void require_keys(const GuestTarget& guest);
  std::vector<std::string> ssh(const GuestTarget& guest);
  std::string control_path(const GuestTarget& guest);

  const SshOptions options_;
  const CommandRunner run_program_;
  KeyStore keys_;
  std::mutex mutex_;
  std::string sockets_;                           // made at the first use
  std::set<std::vector<std::string>> connected_;  // ssh command lines that may have left a shared connection
};

// True if ssh did not even get a connection to the guest: what was to run there has not begun. Pure.
bool never_reached(const HostError& error);

// One word per argument for the shell that sshd(8) starts: each stays what it was, whatever is in it. Pure.
std::string shell_words(const std::vector<std::string>& argv);

}  // namespace gpuplan
