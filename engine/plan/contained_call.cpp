#include "plan/contained_call.h"

#include <fmt/format.h>

#include "host/interrupt.h"

namespace gpuplan {
namespace {

PluginDefect defect_of(const StepKinds::Entry& plugin, std::string_view entry_point, std::string_view thrown) {
  return {fmt::format("the plugin for `{}` failed in {}()", plugin.kind->kind(), entry_point),
          fmt::format("{} threw {}; a step kind may throw HostError only", module_words(plugin), thrown),
          author_remedy(plugin)};
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

Diagnostic diagnostic_of(const HostError& error, const Address& address) {
  // Many sentences say what to do next themselves.
  const bool says_more = std::string_view(error.what()).find("; ") != std::string_view::npos;
  return {Severity::error, error.what(), error.output_tail(), says_more ? "" : remedy_for(error.kind()),
          address.to_string(), std::nullopt};
}

std::string module_words(const StepKinds::Entry& plugin) {
  return plugin.source.path.empty() ? "it" : "its module " + plugin.source.path;
}

std::string author_remedy(const StepKinds::Entry& plugin) {
  return "report this to the author of " + (plugin.source.path.empty() ? "the plugin" : plugin.source.path);
}

void plugin_call(const StepKinds::Entry& plugin, std::string_view entry_point, const Address& address,
                 CallWatch* watch, const std::function<void()>& call) {
  const CallWatch::Scope scope(watch, fmt::format("{}() of `{}`", entry_point, plugin.kind->kind()),
                               plugin.source.path, address.to_string());
  try {
    call();
  } catch (const Interrupted&) {
    throw;
  } catch (const HostError&) {
    throw;
  } catch (const std::exception& error) {
    throw defect_of(plugin, entry_point, fmt::format("\"{}\"", error.what()));
  } catch (...) {
    throw defect_of(plugin, entry_point, "something that is not a std::exception");
  }
}

std::optional<Diagnostic> contained_call(const StepKinds::Entry& plugin, std::string_view entry_point,
                                         const Address& address, CallWatch* watch,
                                         const std::function<void()>& call) {
  try {
    plugin_call(plugin, entry_point, address, watch, call);
    return std::nullopt;
  } catch (const HostError& error) {
    return diagnostic_of(error, address);
  } catch (const PluginDefect& defect) {
    return Diagnostic{Severity::error, defect.what(), defect.why(), defect.remedy(), address.to_string(), std::nullopt};
  }
}

}  // namespace gpuplan
