#include <algorithm>

#include "host/libvirt/libvirt_domains.h"
#include "host/xml/domain_xml.h"

namespace gpuplan {
namespace {

std::string xml_of(virNetworkPtr network, const std::string& name) {
  char* xml = virNetworkGetXMLDesc(network, VIR_NETWORK_XML_INACTIVE);
  // The test driver knows no flags.
  if (xml == nullptr && last_call_was_unknown()) xml = virNetworkGetXMLDesc(network, 0);
  return take_text(xml, "read the definition of the network " + name, name);
}

bool is_active(virNetworkPtr network, const std::string& name) {
  const int active = virNetworkIsActive(network);
  require(active, "ask for the state of the network " + name, name);
  return active == 1;
}

NetworkState state_of(virNetworkPtr network) {
  NetworkState state;
  state.name = virNetworkGetName(network);
  state.uuid = uuid_of(network, virNetworkGetUUIDString);
  state.active = is_active(network, state.name);
  int autostart = 0;
  state.autostart = virNetworkGetAutostart(network, &autostart) == 0 && autostart == 1;
  state.xml = xml_of(network, state.name);
  return state;
}

}  // namespace

NetworkHandle LibvirtNetworks::look_up(const std::string& name) {
  NetworkHandle network(virNetworkLookupByName(connection_.get().get(), name.c_str()));
  if (!network && last_libvirt_error() != VIR_ERR_NO_NETWORK) throw_libvirt_error("look for the network " + name, name);
  return network;
}

std::vector<NetworkState> LibvirtNetworks::all() {
  const Connection connection = connection_.get();
  virNetworkPtr* objects = nullptr;
  const int count = virConnectListAllNetworks(connection.get(), &objects, 0);
  require(count, "list the networks", connection_.uri());
  std::vector<NetworkState> states;
  for (const NetworkHandle& network : take_list<NetworkHandle>(objects, count)) {
    try {
      states.push_back(state_of(network.get()));
    } catch (const HostError& error) {
      // Undefined by somebody since the list was made.
      if (error.kind() != HostError::Kind::not_found) throw;
    }
  }
  std::sort(states.begin(), states.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  return states;
}

std::optional<NetworkState> LibvirtNetworks::find(const std::string& name) {
  const NetworkHandle network = look_up(name);
  if (!network) return std::nullopt;
  return state_of(network.get());
}

void LibvirtNetworks::define(const std::string& xml) {
  const auto definition = parse_network(xml);
  const std::string name = definition ? definition->name : "";
  const NetworkHandle network(virNetworkDefineXML(connection_.get().get(), xml.c_str()));
  if (!network) throw_libvirt_error("define the network " + name, name);
}

void LibvirtNetworks::start(const std::string& name) {
  const NetworkHandle network = look_up(name);
  if (!network) throw_libvirt_error("start the network " + name, name);
  if (!is_active(network.get(), name)) require(virNetworkCreate(network.get()), "start the network " + name, name);
  require(virNetworkSetAutostart(network.get(), 1), "let the network " + name + " start with the machine", name);
}

void LibvirtNetworks::remove(const std::string& name) {
  const NetworkHandle network = look_up(name);
  if (!network) return;
  const bool transient = virNetworkIsPersistent(network.get()) == 0;
  if (is_active(network.get(), name)) require(virNetworkDestroy(network.get()), "stop the network " + name, name);
  if (!transient) require(virNetworkUndefine(network.get()), "undefine the network " + name, name);
}

}  // namespace gpuplan
