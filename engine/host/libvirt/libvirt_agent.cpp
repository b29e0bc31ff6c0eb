#include "host/libvirt/libvirt_agent.h"

#include <libvirt/libvirt-qemu.h>

#include "host/libvirt/libvirt_connection.h"

namespace gpuplan {

LibvirtAgent::LibvirtAgent(const std::string& uri) : connection_(std::make_unique<LibvirtConnection>(uri)) {}
LibvirtAgent::~LibvirtAgent() = default;

std::string LibvirtAgent::call(const std::string& name, const std::string& command, std::chrono::seconds limit) {
  const std::string what = "ask the guest agent of " + name;
  const DomainHandle domain(virDomainLookupByName(connection_->get().get(), name.c_str()));
  if (!domain) throw_libvirt_error(what, name);
  return take_text(virDomainQemuAgentCommand(domain.get(), command.c_str(), static_cast<int>(limit.count()), 0), what, name);
}

}  // namespace gpuplan
