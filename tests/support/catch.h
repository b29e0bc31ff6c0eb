// Catch2, whichever major version is installed.
#pragma once

#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
namespace catch_matchers {
inline auto contains(const std::string& text) { return Catch::Matchers::ContainsSubstring(text); }
}  // namespace catch_matchers
#else
#include <catch2/catch.hpp>
namespace catch_matchers {
inline auto contains(const std::string& text) { return Catch::Matchers::Contains(text); }
}  // namespace catch_matchers
#endif
using catch_matchers::contains;
