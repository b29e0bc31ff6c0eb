// What the fuzz targets share.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace gpuplan::fuzz {

inline std::string text(const std::uint8_t* data, std::size_t size) {
  return std::string(reinterpret_cast<const char*>(data), size);
}

// A finding unless `holds`: libFuzzer keeps the input that led here.
inline void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "not true: %s\n", what);
  std::abort();
}

// An input of several texts: parts that begin with a line "--- NAME". What stands before the first is left out.
struct Part {
  std::string name, text;
};
inline std::vector<Part> parts(const std::uint8_t* data, std::size_t size) {
  constexpr std::string_view mark = "--- ";
  std::vector<Part> out;
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  while (!rest.empty()) {
    const std::size_t end = rest.find('\n');
    const std::string_view line = rest.substr(0, end);
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
    if (line.substr(0, mark.size()) == mark) out.push_back({std::string(line.substr(mark.size())), {}});
    else if (!out.empty()) out.back().text.append(line).append("\n");
  }
  return out;
}

// The part of that name; empty if there is none.
inline std::string part(const std::vector<Part>& all, std::string_view name) {
  for (const Part& each : all) {
    if (each.name == name) return each.text;
  }
  return {};
}

}  // namespace gpuplan::fuzz
