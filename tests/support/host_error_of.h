// The HostError that a call throws, for pinning its kind and its words.
#pragma once

#include "host/host_error.h"
#include "support/catch.h"

namespace gpuplan {

template <typename Call>
HostError host_error_of(Call call) {
  try {
    call();
  } catch (const HostError& error) {
    return error;
  }
  FAIL("no HostError was thrown");
  return HostError(HostError::Kind::failed, "", "");
}

}  // namespace gpuplan
