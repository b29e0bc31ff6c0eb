#include "host/free_space.h"

#include <cstdlib>

#include "host/host_error.h"

namespace gpuplan {

std::optional<std::int64_t> free_bytes_for(std::string directory, HostReader& host) {
  try {
    while (!directory.empty() && host.files().kind(directory) == FileKind::none) directory.erase(directory.rfind('/'));
    const CommandResult result =
        host.query({{"df", "--output=avail", "-B1", directory.empty() ? "/" : directory}, {}, std::chrono::seconds(10)});
    const std::size_t number = result.output.find_first_of("0123456789");  // behind a heading
    if (!result.ok() || number == std::string::npos) return std::nullopt;
    return std::strtoll(result.output.c_str() + number, nullptr, 10);
  } catch (const HostError&) {
    return std::nullopt;
  }
}

}  // namespace gpuplan
