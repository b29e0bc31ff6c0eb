#include "plugin/address.h"

#include <algorithm>
#include <stdexcept>

namespace gpuplan {
namespace {

constexpr std::size_t max_name = 128;

bool is_kind_character(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; }

bool is_name_character(char c) { return c > ' ' && c <= '~' && c != '/'; }

bool is_valid(std::string_view kind, std::string_view name) {
  return !kind.empty() && std::all_of(kind.begin(), kind.end(), is_kind_character) && !name.empty() &&
         name.size() <= max_name && std::all_of(name.begin(), name.end(), is_name_character);
}

}  // namespace

Address::Address(std::string_view kind, std::string_view name) : slash_(kind.size()) {
  if (!is_valid(kind, name)) {
    throw std::invalid_argument("not an address: '" + std::string(kind) + "/" + std::string(name) + "'");
  }
  text_.reserve(kind.size() + name.size() + 1);
  text_.append(kind).append("/").append(name);
}

std::optional<Address> Address::parse(std::string_view text) {
  const std::size_t slash = text.find('/');
  if (slash == std::string_view::npos || !is_valid(text.substr(0, slash), text.substr(slash + 1))) return {};
  return Address(text.substr(0, slash), text.substr(slash + 1));
}

}  // namespace gpuplan
