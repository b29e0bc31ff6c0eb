// PCI addresses as lspci and sysfs write them.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace gpuplan {

// Bus, device and function of a PCI function with its domain ("0000:0a:00.0").
// Format: Linux Documentation/PCI/sysfs-pci.rst. Ordered by domain, bus, device, function.
struct Bdf {
  std::uint16_t domain = 0;
  std::uint8_t bus = 0;
  std::uint8_t device = 0;    // 0..31
  std::uint8_t function = 0;  // 0..7

  auto operator<=>(const Bdf&) const = default;  // NOLINT(modernize-use-nullptr): of the comparison that it makes up itself
  // Always the long form in lower case: "0000:0a:00.0".
  std::string to_string() const;
  // True for functions of the same slot, whatever their function number.
  bool same_slot(const Bdf& other) const;
};

// Accepts "0000:0a:00.0" and "0a:00.0", in either case; nothing else: no blanks, no device above 1f,
// no function above 7. Returns nothing for anything malformed.
std::optional<Bdf> parse_bdf(std::string_view text);

}  // namespace gpuplan
