#include "host/query_output.h"

#include <utility>

namespace gpuplan {

std::string query_output(HostReader& host, std::vector<std::string> argv) {
  Command command;
  command.argv = std::move(argv);
  try {
    const CommandResult result = host.query(command);
    return result.ok() ? result.output : "";
  } catch (const HostError& error) {
    if (error.kind() == HostError::Kind::timed_out) throw;
    return {};
  }
}

}  // namespace gpuplan
