#include <fmt/format.h>

#include "host/routes.h"
#include "host/xml/domain_xml.h"
#include "host_subject.h"
#include "spec/network_range.h"

namespace gpuplan::iommu_check {
namespace {

std::optional<Ipv4Range> range_of(const NetworkDefinition& network) {
  const auto address = parse_ipv4(network.address);
  const auto mask = parse_ipv4(network.netmask);
  if (!address || !mask) return std::nullopt;
  return Ipv4Range{*address & *mask, prefix_of_netmask(*mask)};
}

// The name of the bridge in a network document; empty if it does not say.
std::string bridge_of(const std::string& xml) {
  const std::size_t element = xml.find("<bridge");
  const std::size_t name = element == std::string::npos ? element : xml.find("name=", element);
  if (name == std::string::npos || name + 6 >= xml.size()) return {};
  const std::size_t end = xml.find(xml[name + 5], name + 6);
  return end == std::string::npos ? "" : xml.substr(name + 6, end - name - 6);
}

CheckResult collision(const HostSubject& subject, const std::string& with, const std::string& from) {
  return subject.result("network-collision", CheckStatus::fail,
                        fmt::format("network.cidr {} overlaps {}", subject.spec.network.cidr, with), from,
                        "choose another range for network.cidr: `gpuplan init` proposes one, `ip route` shows those in use",
                        "network.cidr");
}

}  // namespace

CheckResult check_network(const HostSubject& subject) {
  const char* const name = "network-collision";
  const NetworkSpec& network = subject.spec.network;
  if (network.mode == "bridge") {
    return subject.pass(name, fmt::format("the VMs join the network of bridge {}", network.bridge), "");
  }
  const auto range = parse_ipv4_range(network.cidr);
  if (!range) {
    return subject.result(name, CheckStatus::fail, network.cidr + " is not an IPv4 range", "",
                          "write it as 192.168.130.0/24", "network.cidr");
  }
  std::string own_bridge;
  bool own_is_active = false;
  try {
    for (const NetworkState& state : subject.host.hypervisor().networks()) {
      const auto definition = parse_network(state.xml);
      if (state.name == network.name) {
        // What belongs to somebody else under this name is refused where it would be changed.
        own_bridge = bridge_of(state.xml);
        own_is_active = state.active;
        continue;
      }
      const auto other = definition ? range_of(*definition) : std::nullopt;
      if (other && other->overlaps(*range)) {
        return collision(subject, fmt::format("{} of the libvirt network {}", other->to_string(), state.name), "libvirt");
      }
    }
  } catch (const HostError& error) {
    if (error.kind() == HostError::Kind::timed_out) throw;  // otherwise the check libvirt says it
  }
  for (const HostRoute& route : parse_routes(subject.read("/proc/net/route"))) {
    if (route.range.prefix == 0) continue;  // the default route
    const bool same = route.range.base == range->base && route.range.prefix == range->prefix;
    if (own_is_active && (same || route.interface == own_bridge)) continue;
    if (route.range.overlaps(*range)) {
      return collision(subject, fmt::format("the route {} on {}", route.range.to_string(), route.interface),
                       "/proc/net/route");
    }
  }
  return subject.pass(name, fmt::format("nothing on this host uses {}", network.cidr), "/proc/net/route, libvirt");
}

}  // namespace gpuplan::iommu_check
