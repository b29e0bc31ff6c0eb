#include "apply/stage_failure.h"

#include <fmt/format.h>

#include "host/host_error.h"
#include "plan/contained_call.h"

namespace gpuplan {

StageFailure describe_failure(const std::exception_ptr& thrown) {
  try {
    std::rethrow_exception(thrown);
  } catch (const HostError& error) {
    return {error.what(), error.output_tail()};
  } catch (const PluginDefect& defect) {
    return {defect.what(), fmt::format("{}\n{}", defect.why(), defect.remedy())};
  } catch (const std::exception& error) {
    return {"a defect of gpuplan ended this step; please report it", fmt::format("what it said: {}", error.what())};
  }
}

}  // namespace gpuplan
