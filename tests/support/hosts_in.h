// The hosts that URLs in a text name.
#pragma once

#include <regex>
#include <set>
#include <string>

namespace gpuplan {

inline std::set<std::string> hosts_in(const std::string& text) {
  static const std::regex url("(https?|oci)://([A-Za-z0-9.-]+)");
  std::set<std::string> out;
  for (auto found = std::sregex_iterator(text.begin(), text.end(), url); found != std::sregex_iterator(); ++found)
    out.insert((*found)[2]);
  return out;
}

}  // namespace gpuplan
