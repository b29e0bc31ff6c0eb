// The name of a resource: KIND/NAME.
#pragma once

#include <compare>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace gpuplan {

// "vfio-bind/0000:0a:00.0". Kind: lower-case letters, digits and dashes. Name: anything printable
// without blanks or slashes, at most 128 characters.
class Address {
 public:
  Address() = default;
  // Both parts must be valid (see parse); throws std::invalid_argument, a programming error.
  Address(std::string_view kind, std::string_view name);
  // Nothing if malformed.
  static std::optional<Address> parse(std::string_view text);

  std::string_view kind() const { return std::string_view(text_).substr(0, slash_); }
  std::string_view name() const { return std::string_view(text_).substr(text_.empty() ? 0 : slash_ + 1); }
  const std::string& to_string() const { return text_; }
  bool empty() const { return text_.empty(); }

  bool operator==(const Address& other) const { return text_ == other.text_; }
  auto operator<=>(const Address& other) const { return text_ <=> other.text_; }

 private:
  std::string text_;
  std::size_t slash_ = 0;
};

}  // namespace gpuplan

template <>
struct std::hash<gpuplan::Address> {
  std::size_t operator()(const gpuplan::Address& address) const noexcept {
    return std::hash<std::string>{}(address.to_string());
  }
};
