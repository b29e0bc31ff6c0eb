// The sentences for file accesses that did not work.
#pragma once

#include <string>

#include "host/host_error.h"

namespace gpuplan {

// "cannot VERB PATH: words for the errno value", with what to do about it where that is known.
HostError file_error(const std::string& verb, const std::string& path, int error_number);

}  // namespace gpuplan
