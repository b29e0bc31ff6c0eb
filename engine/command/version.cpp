// gpuplan version: the version and the build tag.
#include <fmt/format.h>

#include <iostream>

#include "command/exit_codes.h"
#include "command/session.h"
#include "command/verbs.h"
#include "plugin/build_tag.h"

namespace gpuplan::command {

int run_version(Session& session) {
  if (session.console.json()) {
    session.console.document({{"format_version", plan_format_version},
                              {"version", GPUPLAN_VERSION},
                              {"build_tag", GPUPLAN_BUILD_TAG}});
  } else {
    session.console.out() << fmt::format("gpuplan {}\nbuild tag: {}\n", GPUPLAN_VERSION, GPUPLAN_BUILD_TAG);
  }
  return exit_done;
}

}  // namespace gpuplan::command
