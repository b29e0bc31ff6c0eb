#include <fmt/format.h>

#include <algorithm>

#include "host/pci/pci.h"
#include "host/routes.h"
#include "host/xml/domain_xml.h"
#include "propose/proposal.h"

namespace gpuplan {
namespace {

constexpr int tries = 60;

std::vector<Ipv4Range> used_ranges(HostReader& host) {
  std::vector<Ipv4Range> used;
  for (const HostRoute& route : parse_routes(read_trimmed(host.files(), "/proc/net/route").value_or(""))) {
    if (route.range.prefix > 0) used.push_back(route.range);
  }
  try {
    for (const NetworkState& state : host.hypervisor().networks()) {
      const auto definition = parse_network(state.xml);
      const auto address = definition ? parse_ipv4(definition->address) : std::nullopt;
      const auto mask = definition ? parse_ipv4(definition->netmask) : std::nullopt;
      if (address && mask) used.push_back({*address & *mask, prefix_of_netmask(*mask)});
    }
  } catch (const HostError& error) {
    if (error.kind() == HostError::Kind::timed_out) throw;
  }
  return used;
}

}  // namespace

std::string free_network(HostReader& host) {
  const std::vector<Ipv4Range> used = used_ranges(host);
  const Ipv4Range first = parse_ipv4_range(NetworkSpec().cidr).value_or(Ipv4Range{});
  for (int step = 0; step < tries; ++step) {
    const Ipv4Range range{first.base + (static_cast<std::uint32_t>(step) << 8U), first.prefix};
    const bool is_free = std::none_of(used.begin(), used.end(), [&](const Ipv4Range& other) { return other.overlaps(range); });
    if (is_free) return range.to_string();
  }
  return first.to_string();
}

}  // namespace gpuplan
