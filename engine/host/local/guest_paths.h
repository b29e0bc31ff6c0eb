// The two ways to a guest: ssh and, where the network of a VM is down, its guest agent.
#pragma once

#include "host/agent/guest_agent.h"
#include "host/ssh/ssh_guests.h"

namespace gpuplan {

// Everything goes over ssh first. What did not reach a VM there is handed to its agent: a command that changes something
// only if ssh got no connection at all, so that nothing is ever begun twice. An answer with a wrong host key is never
// followed by another try. A login is one by ssh: a guest that only its agent answers for is not ready.
class GuestPaths : public Guests {
 public:
  // Both must outlive this object.
  GuestPaths(SshGuests& ssh, GuestAgent& agent) : ssh_(ssh), agent_(agent) {}

  bool answers(const GuestTarget& guest) override { return ssh_.answers(guest); }
  std::optional<std::string> addresses_by_agent(const GuestTarget& guest) override;
  CommandResult query(const GuestTarget& guest, const Command& command) override;
  CommandResult run(const GuestTarget& guest, const Command& command) override;
  std::optional<std::string> get(const GuestTarget& guest, const std::string& path) override;
  void put(const GuestTarget& guest, const std::string& path, const std::string& content, unsigned mode) override;
  void remove(const GuestTarget& guest, const std::string& path) override;
  GuestCredentials credentials(const std::string& node) override { return ssh_.credentials(node); }
  void forget(const std::string& node) override { ssh_.forget(node); }
  std::optional<std::vector<std::string>> login(const GuestTarget& guest, const std::vector<std::string>& command) override {
    return ssh_.login(guest, command);
  }

 private:
  // Throws `by_ssh` itself if no agent answers.
  CommandResult run_by_agent(const GuestTarget& guest, const Command& command, const HostError& by_ssh);
  CommandRunner runner(const GuestTarget& guest);

  SshGuests& ssh_;
  GuestAgent& agent_;
};

}  // namespace gpuplan
