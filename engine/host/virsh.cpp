#include "host/virsh.h"

#include <fmt/format.h>

#include "report/shell.h"

namespace gpuplan {
namespace {

constexpr std::size_t program_and_connection = 3;  // "virsh", "--connect", URI

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
    line += shell_quoted(word);
  }
  return fmt::format(" (`{}`)", line);
}

}  // namespace gpuplan
