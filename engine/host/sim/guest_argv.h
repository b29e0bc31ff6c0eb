// Command lines as Cobra reads them, the library under kubeadm, kubectl and helm.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace gpuplan::sim {

struct Flag {
  std::string_view name;  // without dashes
  char letter = '\0';     // of the short form; none if 0
  bool takes_value = true;
};

// The words and flags of one command line. Anything that the program does not know ends in `error`.
struct ParsedArgv {
  std::vector<std::string> words;
  std::map<std::string, std::vector<std::string>, std::less<>> flags;  // repeated ones in order
  std::string error;  // "unknown flag: --frob": in Cobra's words; empty if all is well

  bool has(std::string_view flag) const;                                           // given, and not as --flag=false
  std::string value(std::string_view flag, std::string_view fallback = "") const;  // the last one
};

// Reads argv[first…]. Flags may stand anywhere; "--" ends them.
ParsedArgv parse_argv(const std::vector<std::string>& argv, std::size_t first, const std::vector<Flag>& flags);

}  // namespace gpuplan::sim
