#include "host/host_error.h"

#include <cctype>
#include <cerrno>
#include <system_error>

namespace gpuplan {

HostError::Kind kind_of_errno(int error_number) {
  switch (error_number) {
    case ENOENT:
    case ENOTDIR:
    case ENODEV:
    case ENXIO: return HostError::Kind::not_found;
    case EACCES:
    case EPERM:
    case EROFS: return HostError::Kind::denied;
    case EBUSY:
    case ETXTBSY: return HostError::Kind::busy;
    case ETIMEDOUT: return HostError::Kind::timed_out;
    case ECONNREFUSED:
    case EHOSTUNREACH:
    case ENETUNREACH: return HostError::Kind::unreachable;
    default: return HostError::Kind::failed;
  }
}

std::string words_for_errno(int error_number) {
  std::string words = std::generic_category().message(error_number);
  if (!words.empty()) words[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(words[0])));
  return words;
}

}  // namespace gpuplan
