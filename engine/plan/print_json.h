// Plans, checks and problems as JSON for programs. See engine/README.md for the format.
#pragma once

#include <vector>

#include "json/json.h"
#include "plan/plan.h"
#include "plugin/step_kind.h"

namespace gpuplan {

// The whole plan: format_version, purpose, cluster, spec, host, changes, stages, summary, warnings.
// Sensitive values are null, and so are values known only after apply. Pure.
Json plan_to_json(const Plan& plan);

// One change as it stands in a plan.
Json change_to_plan_json(const Change& change);

// One object per check: name, address, status, found, read_from, remedy, needs_reboot, where.
Json checks_to_json(const std::vector<CheckResult>& checks);

// severity, summary, why, remedy, address, where. Absent parts are left out.
Json diagnostic_to_json(const Diagnostic& diagnostic);
Json diagnostics_to_json(const std::vector<Diagnostic>& diagnostics);

// One line of JSON without a newline; text that is not UTF-8 is replaced, not refused.
std::string to_line(const Json& json);
// The same, indented by two, with a newline at the end.
std::string to_document(const Json& json);

}  // namespace gpuplan
