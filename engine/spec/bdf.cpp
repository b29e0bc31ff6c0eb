#include "spec/bdf.h"

namespace gpuplan {
namespace {

// The value of exactly these hexadecimal digits; nothing if one of them is none.
std::optional<unsigned> parse_hex(std::string_view digits) {
  unsigned value = 0;
  for (const char c : digits) {
    unsigned digit = 0;
    if (c >= '0' && c <= '9')
      digit = static_cast<unsigned>(c - '0');
    else if (c >= 'a' && c <= 'f')
      digit = static_cast<unsigned>(c - 'a') + 10;
    else if (c >= 'A' && c <= 'F')
      digit = static_cast<unsigned>(c - 'A') + 10;
    else
      return std::nullopt;
    value = value * 16 + digit;
  }
  return value;
}

}  // namespace

// Written by hand: whoever looks at a host's devices does this by the thousand.
std::string Bdf::to_string() const {
  constexpr const char* digits = "0123456789abcdef";
  const auto digit = [&](unsigned value, unsigned place) { return digits[(value >> (4 * place)) & 0xFU]; };
  return {digit(domain, 3), digit(domain, 2), digit(domain, 1), digit(domain, 0), ':', digit(bus, 1), digit(bus, 0), ':',
          digit(device, 1), digit(device, 0), '.', digit(function, 0)};
}

bool Bdf::same_slot(const Bdf& other) const {
  return domain == other.domain && bus == other.bus && device == other.device;
}

std::optional<Bdf> parse_bdf(std::string_view text) {
  constexpr std::size_t short_size = 7;  // "0a:00.0"
  constexpr std::size_t long_size = 12;  // "0000:0a:00.0"
  Bdf bdf;
  if (text.size() == long_size) {
    const auto domain = parse_hex(text.substr(0, 4));
    if (!domain || text[4] != ':') return std::nullopt;
    bdf.domain = static_cast<std::uint16_t>(*domain);
    text.remove_prefix(5);
  }
  if (text.size() != short_size || text[2] != ':' || text[5] != '.') return std::nullopt;
  const auto bus = parse_hex(text.substr(0, 2));
  const auto device = parse_hex(text.substr(3, 2));
  const auto function = parse_hex(text.substr(6, 1));
  if (!bus || !device || !function || *device > 0x1FU || *function > 7U) return std::nullopt;
  bdf.bus = static_cast<std::uint8_t>(*bus);
  bdf.device = static_cast<std::uint8_t>(*device);
  bdf.function = static_cast<std::uint8_t>(*function);
  return bdf;
}

}  // namespace gpuplan
