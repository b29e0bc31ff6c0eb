#include "host/files/file_errors.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>

namespace gpuplan {

HostError file_error(const std::string& verb, const std::string& path, int error_number) {
  HostError::Kind kind = kind_of_errno(error_number);
  std::string words = words_for_errno(error_number);
  // A process below /proc that ended while it was looked at.
  if (error_number == ESRCH) kind = HostError::Kind::not_found;
  if (error_number == EFBIG) words = "it is larger than 16 MiB";
  if (kind == HostError::Kind::denied && error_number != EROFS && geteuid() != 0) words += "; run gpuplan as root";
  return HostError(kind, path, fmt::format("cannot {} {}: {}", verb, path, words));
}

}  // namespace gpuplan
