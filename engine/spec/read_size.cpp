#include <fmt/format.h>

#include "spec/sections.h"

namespace gpuplan {
namespace {

// The size in MiB of a text with a unit: 65536 for "64G", "64GB", "64 GiB". Nothing for other texts.
std::optional<std::int64_t> mib_of(std::string_view text) {
  constexpr std::int64_t most = 1'000'000;  // keeps the products small
  std::int64_t number = 0;
  std::size_t at = 0;
  for (; at < text.size() && text[at] >= '0' && text[at] <= '9' && number < most; ++at) {
    number = number * 10 + (text[at] - '0');
  }
  if (at == 0 || number >= most) return std::nullopt;
  while (at < text.size() && text[at] == ' ') ++at;
  const std::string_view unit = text.substr(at);
  if (unit.empty() || (unit.size() > 1 && unit != "MB" && unit != "MiB" && unit != "Mi" && unit != "GB" &&
                       unit != "GiB" && unit != "Gi" && unit != "TB" && unit != "TiB" && unit != "Ti")) {
    return std::nullopt;
  }
  switch (unit.front()) {
    case 'M':
      return number;
    case 'G':
      return number * 1024;
    case 'T':
      return number * 1024 * 1024;
    default:
      return std::nullopt;
  }
}

bool is_memory(const Size& size) { return size.unit == "MiB"; }

std::string_view whole_hint(const Size& size) {
  if (is_memory(size)) return "memory is in MiB";
  return size.unit == "GiB" ? "disk is in GiB" : "cpus is a number of virtual CPUs";
}

// True for a whole number of more digits than 64 bits are sure to hold.
bool is_huge(const YamlNode& node) {
  constexpr std::size_t digits_of_64_bits = 18;
  std::string_view text = node.text();
  if (text.substr(0, 1) == "-") text.remove_prefix(1);
  return node.is_plain() && text.size() > digits_of_64_bits && text.front() != '0' &&
         text.find_first_not_of("0123456789") == std::string_view::npos;
}

// What to do about a number outside of its limits.
std::string range_hint(const Size& size, std::int64_t value) {
  const bool looks_like_gib = is_memory(size) && value > 0 && value < size.least;
  if (looks_like_gib) return fmt::format("memory is in MiB: {} GiB are {}", value, value * 1024);
  return std::string(whole_hint(size));
}

std::string out_of_bounds(const std::string& what, bool too_few, const std::string& number, const Size& size) {
  return fmt::format("{}: {} {} are too {}; {} is the {}", what, number, size.unit, too_few ? "few" : "many",
                     too_few ? size.least : size.most, too_few ? "least" : "most");
}

// What to do about something that is no number.
std::string shape_hint(const Size& size, const YamlNode& node) {
  if (!node.is_plain() && !node.text().empty() && node.text().find_first_not_of("0123456789") == std::string::npos) {
    return "write it without quotes";
  }
  if (const auto mib = mib_of(node.text()); mib && size.unit != "CPUs") {
    return fmt::format("{}: write {}", whole_hint(size), is_memory(size) ? *mib : *mib / 1024);
  }
  return std::string(whole_hint(size));
}

}  // namespace

void read_size(MappingDecoder& section, const Size& size, std::int64_t& target, Diagnostics& diagnostics) {
  const YamlNode* node = section.node(size.key);
  if (node == nullptr) return;
  const std::string what = section.path(size.key);
  Diagnostics ignored;
  const auto value = decode_int(*node, what, ignored);
  if (!value && is_huge(*node)) {
    diagnostics.error(node->where(), out_of_bounds(what, node->text().front() == '-', shorten(node->text()), size),
                      std::string(whole_hint(size)));
  } else if (!value) {
    const std::string found = node->is_scalar() ? quote(node->text()) : std::string(describe(node->kind()));
    diagnostics.error(node->where(), fmt::format("{} must be a whole number of {}, not {}", what, size.unit, found),
                      shape_hint(size, *node));
  } else if (*value < size.least || *value > size.most) {
    diagnostics.error(node->where(), out_of_bounds(what, *value < size.least, std::to_string(*value), size),
                      range_hint(size, *value));
  } else {
    target = *value;
  }
}

}  // namespace gpuplan
