#include "host/virsh.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

namespace gpuplan {
namespace {

constexpr std::size_t program_and_connection = 3;  // "virsh", "--connect", URI

std::string shell_word(const std::string& word) {
  const bool plain = !word.empty() && std::all_of(word.begin(), word.end(), [](unsigned char c) {
    return std::isalnum(c) != 0 || std::string_view("-_./:=,@%+").find(static_cast<char>(c)) != std::string_view::npos;
  });
  if (plain) return word;
  std::string quoted = "'";
  for (const char c : word) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

}  // namespace

std::string with_virsh(HypervisorReader& hypervisor, const std::vector<std::string>& words) {
  // virsh also joins a terminal to a console; what stands in front there is how it reaches this host's libvirt.
  auto argv = hypervisor.console("");
  if (!argv || argv->size() < program_and_connection) return {};
  argv->resize(program_and_connection);
  argv->insert(argv->end(), words.begin(), words.end());
  std::string line;
  for (const std::string& word : *argv) {
    if (!line.empty()) line += ' ';
    line += shell_word(word);
  }
  return fmt::format(" (`{}`)", line);
}

}  // namespace gpuplan
