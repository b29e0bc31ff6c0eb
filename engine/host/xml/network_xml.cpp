#include <fmt/format.h>

#include "host/xml/domain_xml.h"
#include "host/xml/owner_xml.h"
#include "spec/network_range.h"

namespace gpuplan {

std::string render_network(const NetworkDefinition& definition) {
  using xml::add;
  using xml::set;
  pugi::xml_document document;
  pugi::xml_node network = document.append_child("network");
  xml::add_text(network, "name", definition.name);
  if (!definition.uuid.empty()) xml::add_text(network, "uuid", definition.uuid);
  xml::add_owner(network, definition.owner);
  if (definition.mode != "isolated") set(add(network, "forward"), "mode", definition.mode);
  pugi::xml_node range = add(network, "ip");
  set(range, "address", definition.address);
  set(range, "netmask", definition.netmask);
  if (!definition.reservations.empty()) {
    pugi::xml_node dhcp = add(range, "dhcp");
    for (const NetworkReservation& reservation : definition.reservations) {
      pugi::xml_node host = add(dhcp, "host");
      set(host, "mac", reservation.mac);
      set(host, "name", reservation.name);
      set(host, "ip", reservation.address);
    }
  }
  return xml::print(document);
}

std::optional<NetworkDefinition> parse_network(std::string_view xml) {
  pugi::xml_document document;
  if (!document.load_buffer(xml.data(), xml.size())) return std::nullopt;
  const pugi::xml_node network = document.child("network");
  if (!network) return std::nullopt;

  NetworkDefinition definition;
  definition.name = network.child_value("name");
  definition.uuid = network.child_value("uuid");
  definition.owner = xml::read_owner(network);
  const pugi::xml_node forward = network.child("forward");
  definition.mode = !forward ? "isolated" : forward.attribute("mode").as_string("nat");
  for (const pugi::xml_node range : network.children("ip")) {
    if (std::string_view(range.attribute("family").as_string("ipv4")) != "ipv4") continue;
    definition.address = range.attribute("address").value();
    definition.netmask = range.attribute("netmask").value();
    const int prefix = range.attribute("prefix").as_int(-1);
    if (definition.netmask.empty() && prefix >= 0 && prefix <= 32) {
      Ipv4Range mask;
      mask.prefix = prefix;
      definition.netmask = mask.netmask();
    }
    for (const pugi::xml_node host : range.child("dhcp").children("host")) {
      definition.reservations.push_back(
          {host.attribute("mac").value(), host.attribute("name").value(), host.attribute("ip").value()});
    }
    break;
  }
  return definition;
}

}  // namespace gpuplan
