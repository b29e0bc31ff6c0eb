#include <charconv>
#include <utility>

#include "host/guard/guarded_host.h"
#include "plugin/address.h"

namespace gpuplan {
namespace {

std::optional<FaultEffect> effect_from(std::string_view text) {
  if (text == "fail") return FaultEffect::fail;
  if (text == "hang") return FaultEffect::hang;
  if (text == "kill") return FaultEffect::kill;
  if (text == "power-cut") return FaultEffect::power_cut;
  if (text == "full") return FaultEffect::disk_full;
  if (text == "io-error") return FaultEffect::io_error;
  if (text == "read-only") return FaultEffect::read_only;
  return {};
}

bool fits(const Fault& fault) {
  switch (fault.effect) {
    case FaultEffect::fail:
    case FaultEffect::kill: return fault.disk_write == 0;
    case FaultEffect::hang: return fault.disk_write == 0 && fault.plugin_call == 0;
    case FaultEffect::power_cut: return true;
    case FaultEffect::disk_full:
    case FaultEffect::io_error:
    case FaultEffect::read_only: break;
  }
  return fault.disk_write > 0;
}

// 1, 2, 3, …; nothing for any other text.
std::optional<std::int64_t> ordinal_from(std::string_view text) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number < 1) return {};
  return number;
}

bool take_prefix(std::string_view& text, std::string_view prefix) {
  if (text.substr(0, prefix.size()) != prefix) return false;
  text.remove_prefix(prefix.size());
  return true;
}

}  // namespace

std::optional<Fault> parse_fault(const std::string& text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string::npos) return {};
  const auto effect = effect_from(std::string_view(text).substr(colon + 1));
  if (!effect) return {};
  Fault fault;
  fault.effect = *effect;
  std::string_view place = std::string_view(text).substr(0, colon);
  const std::pair<std::string_view, std::int64_t*> numbered[] = {
      {"call:", &fault.call}, {"journal:", &fault.journal_write}, {"plugin:", &fault.plugin_call}, {"disk:", &fault.disk_write}};
  for (const auto& [prefix, number] : numbered) {
    if (!take_prefix(place, prefix)) continue;
    const auto ordinal = ordinal_from(place);
    if (!ordinal) return {};
    *number = *ordinal;
    return fits(fault) ? std::optional(fault) : std::nullopt;
  }
  const auto address = Address::parse(place);
  if (!address) return {};
  fault.address = address->to_string();
  return fits(fault) ? std::optional(fault) : std::nullopt;
}

}  // namespace gpuplan
