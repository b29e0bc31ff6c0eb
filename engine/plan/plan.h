// What a run will do, as a value: the executor does exactly this and nothing else.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "plugin/resource.h"
#include "report/diagnostic.h"

namespace gpuplan {

inline constexpr int plan_format_version = 1;

// One stage of one change, with the stages that must be done before it.
struct PlannedStage {
  std::size_t change = 0;           // index into Plan::changes
  Stage stage = Stage::apply;
  bool commit_phase = false;        // waits for every stage that is not in the commit phase
  std::vector<std::size_t> after;   // indexes into Plan::stages, direct predecessors only, ascending
};

// 0: what rollback can restore; 1: the commit phase; 2: its commit stages, so that a disk is deleted
// only when nothing else is left to fail. A phase starts when the one before it is done.
std::size_t phase_of(const PlannedStage& stage);

enum class PlanPurpose { apply, destroy };
std::string_view to_string(PlanPurpose purpose);

// Less than all resources, or more than the spec asks for.
struct Selection {
  std::vector<Address> targets;   // only these, with what they cannot be without
  std::vector<Address> excludes;  // all but these
  std::vector<Address> replaces;  // made anew, although nothing asks for it

  bool is_partial() const { return !targets.empty() || !excludes.empty(); }
  bool operator==(const Selection&) const = default;
};

struct Plan {
  PlanPurpose purpose = PlanPurpose::apply;
  std::string cluster;
  std::string spec_name;     // path as given; empty for destroy without one
  std::string spec_sha256;   // likewise
  std::string host_identity;
  std::string host_description;
  Selection selection;
  std::vector<Change> changes;        // dependencies first; includes those with Action::none
  std::vector<PlannedStage> stages;   // in an order in which each may run
  std::vector<Diagnostic> warnings;

  bool has_changes() const;
};

struct PlanSummary {
  std::size_t none = 0, create = 0, update = 0, replace = 0, remove = 0;
  std::size_t irreversible = 0;
  std::size_t total() const { return none + create + update + replace + remove; }
};
PlanSummary summarize(const Plan& plan);

// "Plan: 8 to create, 1 to update, 0 to replace, 2 to remove; 3 unchanged. 1 cannot be undone."
std::string to_sentence(const PlanSummary& summary);

}  // namespace gpuplan
