// The step kinds at hand, by name.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "plugin/step_kind.h"

namespace gpuplan {

// Where a step kind came from, for `gpuplan plugins`.
struct StepKindSource {
  std::string path;       // of the module; empty for one registered by a test
  std::string summary;
  std::string build_tag;
};

// A set of step kinds. Filled once at start, then only read: reading is thread-safe. Step kinds are
// never destroyed before the process ends (their modules are never unloaded).
class StepKinds {
 public:
  struct Entry {
    std::shared_ptr<const StepKind> kind;
    StepKindSource source;
  };
  // False if a kind of that name is there already.
  bool add(std::shared_ptr<const StepKind> kind, StepKindSource source = {});
  // A null pointer if there is none.
  const StepKind* find(std::string_view kind) const;
  const Entry* find_entry(std::string_view kind) const;
  const std::vector<Entry>& entries() const { return entries_; }  // in the order they were added

 private:
  std::vector<Entry> entries_;
};

}  // namespace gpuplan
