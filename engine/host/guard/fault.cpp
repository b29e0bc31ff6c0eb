#include <charconv>

#include "host/guard/guarded_host.h"
#include "plugin/address.h"

namespace gpuplan {
namespace {

std::optional<FaultEffect> effect_from(std::string_view text) {
  if (text == "fail") return FaultEffect::fail;
  if (text == "hang") return FaultEffect::hang;
  if (text == "kill") return FaultEffect::kill;
  return {};
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
  const bool is_call = take_prefix(place, "call:");
  const bool is_journal = !is_call && take_prefix(place, "journal:");
  if (is_call || is_journal) {
    const auto number = ordinal_from(place);
    if (!number) return {};
    (is_call ? fault.call : fault.journal_write) = *number;
    return fault;
  }
  const auto address = Address::parse(place);
  if (!address) return {};
  fault.address = address->to_string();
  return fault;
}

}  // namespace gpuplan
