// Calls into plugins: watched while they run, and with every failure turned into words.
#pragma once

#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

#include "host/host_error.h"
#include "plan/call_watch.h"
#include "plan/step_kinds.h"
#include "plugin/address.h"
#include "report/diagnostic.h"

namespace gpuplan {

// A step kind did what its interface forbids. what() says what, for the user; why() and remedy() are
// for its author, and name the module.
class PluginDefect : public std::runtime_error {
 public:
  PluginDefect(const std::string& summary, std::string why, std::string remedy)
      : std::runtime_error(summary), why_(std::move(why)), remedy_(std::move(remedy)) {}
  const std::string& why() const { return why_; }
  const std::string& remedy() const { return remedy_; }

 private:
  std::string why_;
  std::string remedy_;
};

// For the user: what happened, the last lines that a program said, and what to do unless the sentence says so itself.
Diagnostic diagnostic_of(const HostError& error, const Address& address);

// "its module /usr/lib/gpuplan/plugins/motd.so", and who can mend it.
std::string module_words(const StepKinds::Entry& plugin);
std::string author_remedy(const StepKinds::Entry& plugin);

// Runs `call`, which calls `entry_point` of `plugin` for `address` (empty: for none), under `watch`
// (a null pointer: unwatched). HostError and Interrupted pass; any other exception becomes a PluginDefect.
void plugin_call(const StepKinds::Entry& plugin, std::string_view entry_point, const Address& address,
                 CallWatch* watch, const std::function<void()>& call);

// The same, with every failure but Interrupted as a value.
std::optional<Diagnostic> contained_call(const StepKinds::Entry& plugin, std::string_view entry_point,
                                         const Address& address, CallWatch* watch,
                                         const std::function<void()>& call);

}  // namespace gpuplan
