#include "plan/step_kinds.h"

namespace gpuplan {

bool StepKinds::add(std::shared_ptr<const StepKind> kind, StepKindSource source) {
  if (find(kind->kind())) return false;
  entries_.push_back({std::move(kind), std::move(source)});
  return true;
}

const StepKind* StepKinds::find(std::string_view kind) const {
  const Entry* const entry = find_entry(kind);
  return entry == nullptr ? nullptr : entry->kind.get();
}

const StepKinds::Entry* StepKinds::find_entry(std::string_view kind) const {
  // Six or so: looking at each is quicker than hashing.
  for (const Entry& entry : entries_) {
    if (entry.kind->kind() == kind) return &entry;
  }
  return nullptr;
}

}  // namespace gpuplan
