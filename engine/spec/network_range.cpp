#include "spec/network_range.h"

#include <fmt/format.h>

namespace gpuplan {
namespace {

// A decimal number of 1 to 3 digits without leading zeros, taken off the front of `text`.
std::optional<std::uint32_t> take_number(std::string_view& text, std::uint32_t most) {
  std::size_t digits = 0;
  std::uint32_t value = 0;
  while (digits < text.size() && digits < 3 && text[digits] >= '0' && text[digits] <= '9') {
    value = value * 10 + static_cast<std::uint32_t>(text[digits] - '0');
    ++digits;
  }
  // Some readers take 010 for octal 8: refuse it rather than guess.
  if (digits == 0 || value > most || (digits > 1 && text.front() == '0')) return std::nullopt;
  text.remove_prefix(digits);
  return value;
}

std::uint32_t mask_of(int prefix) { return prefix == 0 ? 0U : ~std::uint32_t{0} << (32 - prefix); }

}  // namespace

std::optional<std::uint32_t> parse_ipv4(std::string_view text) {
  std::uint32_t address = 0;
  for (int part = 0; part < 4; ++part) {
    if (part > 0) {
      if (text.empty() || text.front() != '.') return std::nullopt;
      text.remove_prefix(1);
    }
    const auto number = take_number(text, 255);
    if (!number) return std::nullopt;
    address = address << 8U | *number;
  }
  if (!text.empty()) return std::nullopt;
  return address;
}

std::string format_ipv4(std::uint32_t address) {
  return fmt::format("{}.{}.{}.{}", address >> 24U, address >> 16U & 255U, address >> 8U & 255U, address & 255U);
}

std::uint32_t Ipv4Range::last() const { return base | ~mask_of(prefix); }

bool Ipv4Range::contains(std::uint32_t address) const { return address >= base && address <= last(); }

bool Ipv4Range::overlaps(const Ipv4Range& other) const { return base <= other.last() && other.base <= last(); }

std::string Ipv4Range::to_string() const { return fmt::format("{}/{}", format_ipv4(base), prefix); }

std::string Ipv4Range::netmask() const { return format_ipv4(mask_of(prefix)); }

std::optional<Ipv4Range> parse_ipv4_range(std::string_view text) {
  const std::size_t slash = text.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  const auto base = parse_ipv4(text.substr(0, slash));
  text.remove_prefix(slash + 1);
  const auto prefix = take_number(text, 32);
  if (!base || !prefix || !text.empty()) return std::nullopt;
  const Ipv4Range range{*base, static_cast<int>(*prefix)};
  if ((*base & ~mask_of(range.prefix)) != 0) return std::nullopt;
  return range;
}

}  // namespace gpuplan
