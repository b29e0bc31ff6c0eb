// Plans and checks as text for people.
#pragma once

#include <string>
#include <vector>

#include "plan/plan.h"
#include "plan/step_kinds.h"

namespace gpuplan {

struct PrintStyle {
  bool color = false;    // ANSI escapes
  bool explain = false;  // reasons, where observed values were read, and what stays as it is
};

// What the plan changes, attribute by attribute, what cannot be undone, and a summary as last line.
// `kinds` gives the units of attributes; unknown kinds print without. Sensitive values never appear.
// Pure; ends with a newline.
std::string print_plan(const Plan& plan, const StepKinds& kinds, const PrintStyle& style);

// One change as in print_plan, with its attributes.
std::string print_change(const Change& change, const StepKinds& kinds, const PrintStyle& style);

// Checks by resource, each with what was found, where it was read and what to do; then the counts as
// last line. Without `all` only those that did not pass. Ends with a newline.
std::string print_checks(const std::vector<CheckResult>& checks, bool all, const PrintStyle& style);

// "12 checks passed, 1 warning, 2 failed."
std::string count_checks(const std::vector<CheckResult>& checks);

// "+", "~", "-/+", "-", " ".
std::string_view symbol_of(Action action);

}  // namespace gpuplan
