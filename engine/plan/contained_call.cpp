#include "plan/contained_call.h"

#include <fmt/format.h>

#include "host/host_error.h"
#include "host/interrupt.h"

namespace gpuplan {
namespace {

Diagnostic plugin_defect(std::string_view kind, std::string_view entry_point, const Address& address,
                         std::string_view thrown) {
  return {Severity::error, fmt::format("the plugin for `{}` failed in {}()", kind, entry_point),
          fmt::format("it threw {}; a step kind may throw HostError only", thrown),
          "report this to the author of the plugin; `gpuplan plugins` shows where it was loaded from",
          address.to_string(), std::nullopt};
}

std::string remedy_for(HostError::Kind kind) {
  switch (kind) {
    case HostError::Kind::denied: return "run gpuplan as root, or as a user who may do this";
    case HostError::Kind::unreachable: return "start the service or machine named above, then run the command again";
    case HostError::Kind::timed_out: return "if it stays this way, the kernel or the service hangs: see its log; a reboot may be needed";
    default: return "mend the cause, then run the command again";
  }
}

}  // namespace

std::optional<Diagnostic> contained_call(std::string_view kind, std::string_view entry_point, const Address& address,
                                         const std::function<void()>& call) {
  try {
    call();
    return std::nullopt;
  } catch (const Interrupted&) {
    throw;
  } catch (const HostError& error) {
    return Diagnostic{Severity::error, error.what(), error.output_tail(), remedy_for(error.kind()), address.to_string(),
                      std::nullopt};
  } catch (const std::exception& error) {
    return plugin_defect(kind, entry_point, address, fmt::format("\"{}\"", error.what()));
  } catch (...) {
    return plugin_defect(kind, entry_point, address, "something that is not a std::exception");
  }
}

}  // namespace gpuplan
