#include "host/libvirt/libvirt_connection.h"

#include <fmt/format.h>

#include "spec/libvirt_uri.h"

namespace gpuplan {
namespace {

// libvirt prints every error to stderr unless it is told not to.
void say_nothing(void*, virErrorPtr) {}

bool answers(virConnectPtr connection) {
  unsigned long version = 0;
  return virConnectIsAlive(connection) == 1 && virConnectGetLibVersion(connection, &version) == 0;
}

}  // namespace

LibvirtConnection::LibvirtConnection(std::string uri) : uri_(std::move(uri)) {
  virSetErrorFunc(nullptr, say_nothing);
}

Connection LibvirtConnection::get() {
  const std::lock_guard lock(mutex_);
  if (!connection_ || !answers(connection_.get())) connection_ = open();
  return connection_;
}

Connection LibvirtConnection::open() const {
  // Not even an empty one, for which libvirt would look into the environment and its own settings.
  if (!is_local_libvirt(uri_)) {
    throw HostError(HostError::Kind::refused, uri_,
                    fmt::format("cannot talk to libvirt at \"{}\": it is not the URI of a local libvirt; correct host.libvirt_uri "
                                "in the spec: {}",
                                uri_, local_libvirt_remedy));
  }
  if (virConnectPtr connection = virConnectOpen(uri_.c_str())) return {connection, virConnectClose};
  try {
    throw_libvirt_error("talk to libvirt at " + uri_, uri_);
  } catch (const HostError& error) {
    if (error.kind() == HostError::Kind::denied) {
      throw HostError(HostError::Kind::denied, uri_,
                      fmt::format("{}; run gpuplan as root, or as a member of the group libvirt", error.what()));
    }
    throw HostError(HostError::Kind::unreachable, uri_,
                    fmt::format("{}; is its service running? (systemctl status libvirtd virtqemud)", error.what()));
  }
}

}  // namespace gpuplan
