#include "yaml/decode.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace gpuplan {
namespace {

// A document of a million unknown keys needs no million complaints.
constexpr std::size_t max_unknown_keys = 20;

std::string subject(std::string_view what) { return what.empty() ? "the document" : std::string(what); }

std::string found(const YamlNode& node) {
  return node.is_scalar() ? quote(node.text()) : std::string(describe(node.kind()));
}

void wrong_type(const YamlNode& node, std::string_view what, std::string_view wanted, Diagnostics& diagnostics,
                std::string remedy = {}) {
  diagnostics.error(node.where(), fmt::format("{} must be {}, not {}", subject(what), wanted, found(node)),
                    std::move(remedy));
}

bool is_decimal(std::string_view text) {
  if (!text.empty() && text.front() == '-') text.remove_prefix(1);
  if (text.empty() || (text.size() > 1 && text.front() == '0')) return false;
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

std::string lower_case(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return text;
}

std::string range_text(std::int64_t least, std::int64_t most) {
  if (most == std::numeric_limits<std::int64_t>::max()) return fmt::format("at least {}", least);
  if (least == std::numeric_limits<std::int64_t>::min()) return fmt::format("at most {}", most);
  return fmt::format("{} to {}", least, most);
}

std::string join_choices(const std::vector<std::string_view>& choices) {
  std::string out;
  for (std::size_t i = 0; i < choices.size(); ++i) {
    if (i > 0) out += i + 1 == choices.size() ? " or " : ", ";
    out += choices[i];
  }
  return out;
}

std::string join_shortened(const std::vector<std::string_view>& keys) {
  std::string out;
  for (const std::string_view key : keys) out += (out.empty() ? "" : ", ") + shorten(key);
  return out;
}

std::string boolean_remedy(const YamlNode& node) {
  const std::string text = node.is_scalar() ? lower_case(node.text()) : std::string();
  if (text == "true" || text == "false") return node.is_plain() ? "write " + text : "write it without quotes";
  if (text == "yes" || text == "on" || text == "1") return "write true";
  if (text == "no" || text == "off" || text == "0") return "write false";
  return "write one of them";
}

// "90s", "15m", "24h": with the largest unit that divides it.
std::string duration_text(std::int64_t seconds) {
  if (seconds > 0 && seconds % 3600 == 0) return fmt::format("{}h", seconds / 3600);
  if (seconds > 0 && seconds % 60 == 0) return fmt::format("{}m", seconds / 60);
  return fmt::format("{}s", seconds);
}

std::int64_t seconds_per(char unit) {
  switch (unit) {
    case 's':
      return 1;
    case 'm':
      return 60;
    case 'h':
      return 3600;
    default:
      return 0;
  }
}

}  // namespace

std::string shorten(std::string_view text) {
  constexpr std::size_t max_shown = 60;
  if (text.size() <= max_shown) return std::string(text);
  std::size_t end = max_shown;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U) --end;
  return fmt::format("{}…", text.substr(0, end));
}

std::string quote(std::string_view text) { return fmt::format("\"{}\"", shorten(text)); }

std::optional<std::string> decode_string(const YamlNode& node, std::string_view what, Diagnostics& diagnostics) {
  if (node.is_scalar()) return node.text();
  wrong_type(node, what, "a text", diagnostics, "write a single value");
  return std::nullopt;
}

std::optional<bool> decode_bool(const YamlNode& node, std::string_view what, Diagnostics& diagnostics) {
  if (node.is_scalar() && node.is_plain()) {
    const std::string& text = node.text();
    if (text == "true" || text == "True" || text == "TRUE") return true;
    if (text == "false" || text == "False" || text == "FALSE") return false;
  }
  wrong_type(node, what, "true or false", diagnostics, boolean_remedy(node));
  return std::nullopt;
}

std::optional<std::int64_t> decode_int(const YamlNode& node, std::string_view what, Diagnostics& diagnostics,
                                       std::int64_t least, std::int64_t most) {
  if (!node.is_scalar() || !is_decimal(node.text())) {
    wrong_type(node, what, "a whole number", diagnostics, "write plain digits, such as 16");
    return std::nullopt;
  }
  if (!node.is_plain()) {
    wrong_type(node, what, "a whole number", diagnostics, "write it without quotes");
    return std::nullopt;
  }
  std::int64_t value = 0;
  const char* end = node.text().data() + node.text().size();
  const bool fits = std::from_chars(node.text().data(), end, value).ec == std::errc{};
  if (fits && value >= least && value <= most) return value;
  // Digits beyond 64 bits are out of any range; where no range was asked for, name the type's own.
  if (least == std::numeric_limits<std::int64_t>::min() && most == std::numeric_limits<std::int64_t>::max()) {
    wrong_type(node, what, "a whole number of at most 64 bits", diagnostics, "check its digits");
  } else {
    wrong_type(node, what, range_text(least, most), diagnostics, "choose a number in these bounds");
  }
  return std::nullopt;
}

std::optional<std::int64_t> decode_duration(const YamlNode& node, std::string_view what, Diagnostics& diagnostics,
                                            std::int64_t least, std::int64_t most) {
  constexpr std::string_view wanted = "a duration such as 90s, 15m or 2h";
  constexpr std::string_view remedy = "write digits with s, m or h right behind them";
  if (!node.is_scalar() || node.text().empty()) {
    wrong_type(node, what, wanted, diagnostics, std::string(remedy));
    return std::nullopt;
  }
  std::string_view text = node.text();
  if (is_decimal(text)) {
    wrong_type(node, what, wanted, diagnostics, fmt::format("add the unit: {}s", text));
    return std::nullopt;
  }
  const std::int64_t unit = seconds_per(text.back());
  text.remove_suffix(1);
  std::int64_t value = 0;
  if (unit == 0 || !is_decimal(text) || text.front() == '-') {
    wrong_type(node, what, wanted, diagnostics, std::string(remedy));
    return std::nullopt;
  }
  const bool fits = std::from_chars(text.data(), text.data() + text.size(), value).ec == std::errc{};
  if (!fits || value > most / unit || value * unit < least) {
    wrong_type(node, what, fmt::format("a duration from {} to {}", duration_text(least), duration_text(most)),
               diagnostics, "choose a time in these bounds");
    return std::nullopt;
  }
  return value * unit;
}

std::optional<std::vector<std::string>> decode_string_list(const YamlNode& node, std::string_view what,
                                                           Diagnostics& diagnostics) {
  if (!node.is_sequence()) {
    wrong_type(node, what, "a list of texts", diagnostics,
               node.is_scalar() ? fmt::format("write [{}]", quote(node.text())) : "write [FIRST, SECOND]");
    return std::nullopt;
  }
  std::vector<std::string> out;
  bool good = true;
  for (std::size_t i = 0; i < node.items().size(); ++i) {
    const auto text = decode_string(node.items()[i], fmt::format("{}[{}]", what, i), diagnostics);
    if (text)
      out.push_back(*text);
    else
      good = false;
  }
  if (!good) return std::nullopt;
  return out;
}

MappingDecoder::MappingDecoder(const YamlNode& node, std::string what, Diagnostics& diagnostics)
    : node_(node), what_(std::move(what)), diagnostics_(diagnostics) {
  if (node_.is_mapping() || node_.is_null()) return;
  valid_ = false;
  wrong_type(node_, what_, "a mapping", diagnostics_, "write its keys as lines KEY: VALUE");
}

void MappingDecoder::string(std::string_view key, std::string& target) {
  const YamlNode* member = node(key);
  if (member == nullptr) return;
  if (auto value = decode_string(*member, path(key), diagnostics_)) target = std::move(*value);
}

void MappingDecoder::boolean(std::string_view key, bool& target) {
  const YamlNode* member = node(key);
  if (member == nullptr) return;
  if (const auto value = decode_bool(*member, path(key), diagnostics_)) target = *value;
}

void MappingDecoder::integer(std::string_view key, std::int64_t& target, std::int64_t least, std::int64_t most) {
  const YamlNode* member = node(key);
  if (member == nullptr) return;
  if (const auto value = decode_int(*member, path(key), diagnostics_, least, most)) target = *value;
}

void MappingDecoder::duration(std::string_view key, std::int64_t& target_seconds, std::int64_t least,
                              std::int64_t most) {
  const YamlNode* member = node(key);
  if (member == nullptr) return;
  if (const auto value = decode_duration(*member, path(key), diagnostics_, least, most)) target_seconds = *value;
}

void MappingDecoder::string_list(std::string_view key, std::vector<std::string>& target) {
  const YamlNode* member = node(key);
  if (member == nullptr) return;
  if (auto value = decode_string_list(*member, path(key), diagnostics_)) target = std::move(*value);
}

void MappingDecoder::choice(std::string_view key, std::string& target, const std::vector<std::string_view>& choices) {
  const YamlNode* member = node(key);
  if (member == nullptr) return;
  if (member->is_scalar() && std::find(choices.begin(), choices.end(), member->text()) != choices.end()) {
    target = member->text();
    return;
  }
  const std::string guess = member->is_scalar() ? did_you_mean(member->text(), choices) : std::string();
  wrong_type(*member, path(key), join_choices(choices), diagnostics_,
             guess.empty() ? "write one of them" : fmt::format("did you mean \"{}\"?", guess));
}

const YamlNode* MappingDecoder::node(std::string_view key) {
  if (known_.find(key) == known_.end()) known_.emplace(key);
  const YamlNode* member = node_.find(key);
  return member == nullptr || member->is_null() ? nullptr : member;
}

std::string MappingDecoder::path(std::string_view key) const {
  return what_.empty() ? shorten(key) : fmt::format("{}.{}", what_, shorten(key));
}

void MappingDecoder::finish() {
  const std::vector<std::string_view> candidates(known_.begin(), known_.end());
  std::size_t unknown = 0;
  for (const YamlNode::Entry& entry : node_.entries()) {
    if (known_.find(entry.key) != known_.end()) continue;
    if (++unknown > max_unknown_keys) {
      diagnostics_.error(entry.key_where, fmt::format("more unknown keys in {}", subject(what_)),
                         "the first ones are named above");
      return;
    }
    const std::string lower = lower_case(entry.key);
    const std::string guess = known_.count(lower) > 0 ? lower : did_you_mean(lower, candidates);
    std::string remedy;
    if (!guess.empty())
      remedy = fmt::format("did you mean \"{}\"?", guess);
    else if (!candidates.empty())
      remedy = fmt::format("known keys here: {}", join_shortened(candidates));
    diagnostics_.error(entry.key_where,
                       what_.empty() ? fmt::format("unknown key {}", quote(entry.key))
                                     : fmt::format("unknown key {} in {}", quote(entry.key), what_),
                       remedy);
  }
}

}  // namespace gpuplan
