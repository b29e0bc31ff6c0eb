// Whether root alone decides what lies at the end of a path.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <optional>
#include <string>

namespace gpuplan {

// A part of a path at which somebody else than root could put another thing in its place.
struct OpenPart {
  enum class Why { unreadable, foreign, writable, sticky };
  Why why;
  std::string path;    // without links in it, but that it may be one itself
  uid_t owner = 0;     // foreign: whose it is
  unsigned mode = 0;   // writable, sticky
  int error = 0;       // unreadable: errno
};

// The first such part on the way from / to `path` (absolute), through each symbolic link where it leads. In a sticky directory
// such as /tmp nobody can rename or replace what root owns, only add to it: it counts if it is one of the last `strict` parts.
std::optional<OpenPart> open_part(const std::string& path, std::size_t strict);

// "belongs to user id 1000", "can be written by others (mode 0777)": what follows its path in a sentence. Of one that is not
// unreadable.
std::string to_words(const OpenPart& part);

}  // namespace gpuplan
