#include "host/sim/errors.h"

#include <fmt/format.h>

namespace gpuplan::sim {

HostError file_error(const std::string& verb, const std::string& path, int error_number) {
  return {kind_of_errno(error_number), path, fmt::format("cannot {} {}: {}", verb, path, words_for_errno(error_number))};
}

HostError hang_error(const std::string& verb, const std::string& path, std::chrono::seconds limit) {
  return {HostError::Kind::timed_out, path,
          fmt::format("cannot {} {}: no answer within {} s; the call may still be stuck in the kernel", verb, path,
                      limit.count())};
}

HostError libvirt_error(HostError::Kind kind, const std::string& operation, const std::string& subject,
                        const std::string& reason) {
  return {kind, subject, fmt::format("cannot {} {}: {}", operation, subject, reason)};
}

}  // namespace gpuplan::sim
