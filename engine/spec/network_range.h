// IPv4 addresses and CIDR ranges.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace gpuplan {

std::optional<std::uint32_t> parse_ipv4(std::string_view text);  // dotted quad, host byte order
std::string format_ipv4(std::uint32_t address);

struct Ipv4Range {
  std::uint32_t base = 0;  // host bits are zero
  int prefix = 32;         // 0..32

  std::uint32_t last() const;
  bool contains(std::uint32_t address) const;
  bool overlaps(const Ipv4Range& other) const;
  std::string to_string() const;  // "192.168.130.0/24"
  std::string netmask() const;    // "255.255.255.0"
};

// "192.168.130.0/24". Nothing if malformed or if host bits are set.
std::optional<Ipv4Range> parse_ipv4_range(std::string_view text);

}  // namespace gpuplan
