// The IPv4 routes of a host, from the text of /proc/net/route.
// Source: Linux net/ipv4/fib_trie.c, which prints addresses as hexadecimal digits in memory order.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "spec/network_range.h"

namespace gpuplan {

struct HostRoute {
  std::string interface;
  Ipv4Range range;            // prefix 0: the default route
  std::uint32_t gateway = 0;  // host byte order; 0: directly connected
};

// Lines that cannot be read are left out. Thread-safe.
std::vector<HostRoute> parse_routes(const std::string& text);

// How many leading bits of a netmask are set. Thread-safe.
int prefix_of_netmask(std::uint32_t mask);

}  // namespace gpuplan
