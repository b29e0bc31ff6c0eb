// Plans that are kept in a file between `gpuplan plan --out` and `gpuplan apply FILE`.
#pragma once

#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "plan/plan.h"
#include "plan/step_kinds.h"

namespace gpuplan {

inline constexpr int plan_file_version = 2;

// A file that is no plan, or none that can be trusted. what() is one whole sentence.
class PlanFileError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// A plan as it was when it was saved. Sensitive values are in stored form (see change_json.h).
struct SavedPlan {
  Plan plan;                    // without stages: they follow from the changes
  std::string spec_path;        // absolute; empty for destroy
  std::int64_t last_run = 0;    // of the cluster's journal at that time; 0 if there was none
  std::string last_run_sha256;  // of what stays of that run's record; empty if there was none
  std::int64_t made = 0;        // seconds since 1970, UTC
};

// True if `text` is meant to be a saved plan, whole or not; false for a spec.
bool is_plan_file(std::string_view text);

// The file's text: JSON with a checksum over its content. No sensitive value is in it. Pure.
std::string plan_file_text(const SavedPlan& saved);

// Throws PlanFileError for text that is cut short, changed since, of a newer version, or not of this
// shape; `name` is the file's. Pure.
SavedPlan read_plan_file(std::string_view text, const std::string& name);

// What has moved since `saved` was made, seen from the same plan made now: one sentence each, empty if
// nothing. Compared are the host, the actions, the declared attributes, and of what the host has the
// attributes that are declared; not what it decides itself. Pure.
std::vector<std::string> moved_since(const SavedPlan& saved, const Plan& now, const StepKinds& kinds);

}  // namespace gpuplan
