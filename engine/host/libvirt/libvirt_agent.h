// The guest agents of libvirt's domains.
#pragma once

#include <chrono>
#include <memory>
#include <string>

namespace gpuplan {

class LibvirtConnection;

// Connects at the first call, as the hypervisor does (see make_libvirt_hypervisor). Thread-safe.
class LibvirtAgent {
 public:
  explicit LibvirtAgent(const std::string& uri);
  ~LibvirtAgent();

  // See AgentCall. Source: virDomainQemuAgentCommand in https://libvirt.org/html/libvirt-libvirt-qemu.html.
  std::string call(const std::string& domain, const std::string& command, std::chrono::seconds limit);

 private:
  const std::unique_ptr<LibvirtConnection> connection_;
};

}  // namespace gpuplan
