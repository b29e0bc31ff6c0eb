// Commands in a VM without its network, through QEMU's guest agent:
// https://qemu-project.gitlab.io/qemu/interop/qemu-ga-ref.html.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>

#include "host/ports.h"

namespace gpuplan {

// Hands one command of the agent's protocol, a JSON document, to the agent of a domain, and returns its answer, another.
// Throws HostError: timed_out or failed if no agent answers, refused if the domain is off, failed for what the agent refuses.
using AgentCall = std::function<std::string(const std::string& domain, const std::string& command, std::chrono::seconds limit)>;

// The agents of all VMs. Thread-safe if `call` is.
class GuestAgent {
 public:
  // `clock` must outlive this object. Nothing is asked yet.
  GuestAgent(AgentCall call, Clock& clock) : call_(std::move(call)), clock_(clock) {}

  // Which addresses the guest has, loopback left out: "192.168.130.21 (enp1s0)", "no address (enp1s0 is there)". Nothing if
  // no agent answers within 5 seconds. Never throws HostError.
  std::optional<std::string> addresses(const std::string& domain);
  // Runs the command as root with a full PATH; it is killed in the guest when its limit has passed. Throws HostError:
  // as AgentCall does, timed_out when the limit has passed, failed for output of more than 16 MB or answers that are
  // not the protocol's, refused for more than 2 MiB of standard input.
  CommandResult run(const std::string& domain, const Command& command);

 private:
  AgentCall call_;
  Clock& clock_;
};

}  // namespace gpuplan
