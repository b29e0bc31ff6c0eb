// Domains and networks of libvirt. See Hypervisor in host/ports.h for what each function does.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "host/libvirt/libvirt_connection.h"
#include "host/ports.h"

namespace gpuplan {

// Thread-safe.
class LibvirtDomains {
 public:
  explicit LibvirtDomains(LibvirtConnection& connection) : connection_(connection) {}

  std::vector<DomainState> all();
  std::optional<DomainState> find(const std::string& name);
  std::string console_tail(const std::string& name, std::size_t lines);
  void define(const std::string& xml);
  void start(const std::string& name);
  void shut_down(const std::string& name);
  void kill(const std::string& name);
  void undefine(const std::string& name);
  void set_autostart(const std::string& name, bool on);

 private:
  DomainHandle look_up(const std::string& name);   // empty if there is none
  DomainHandle require_domain(const std::string& name, const std::string& what);

  LibvirtConnection& connection_;
};

// Thread-safe.
class LibvirtNetworks {
 public:
  explicit LibvirtNetworks(LibvirtConnection& connection) : connection_(connection) {}

  std::vector<NetworkState> all();
  std::optional<NetworkState> find(const std::string& name);
  void define(const std::string& xml);
  void start(const std::string& name);
  void remove(const std::string& name);

 private:
  NetworkHandle look_up(const std::string& name);  // empty if there is none

  LibvirtConnection& connection_;
};

}  // namespace gpuplan
