#include "host/routes.h"

#include <charconv>
#include <optional>
#include <sstream>

namespace gpuplan {
namespace {

// Eight hexadecimal digits of an address in memory order, as a number in host order.
std::optional<std::uint32_t> parse_route_word(const std::string& text) {
  std::uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
  if (error != std::errc() || end != text.data() + text.size() || text.size() != 8) return std::nullopt;
  return (value >> 24U) | ((value >> 8U) & 0xFF00U) | ((value << 8U) & 0xFF0000U) | (value << 24U);
}

}  // namespace

int prefix_of_netmask(std::uint32_t mask) {
  int prefix = 0;
  while (prefix < 32 && (mask & (0x80000000U >> static_cast<unsigned>(prefix))) != 0) ++prefix;
  return prefix;
}

std::vector<HostRoute> parse_routes(const std::string& text) {
  std::vector<HostRoute> routes;
  std::istringstream lines(text);
  std::string line;
  std::getline(lines, line);  // the heading
  while (std::getline(lines, line)) {
    std::istringstream columns(line);
    std::string interface, destination, gateway, flags, count, use, metric, mask;
    columns >> interface >> destination >> gateway >> flags >> count >> use >> metric >> mask;
    const auto base = parse_route_word(destination);
    const auto bits = parse_route_word(mask);
    if (!base || !bits) continue;
    routes.push_back({interface, {*base & *bits, prefix_of_netmask(*bits)}, parse_route_word(gateway).value_or(0)});
  }
  return routes;
}

}  // namespace gpuplan
