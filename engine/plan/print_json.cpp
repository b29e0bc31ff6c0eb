#include "plan/print_json.h"

#include "plugin/change_json.h"

namespace gpuplan {
namespace {

Json location_to_json(const SourceLocation& where) {
  return {{"file", where.file ? where.file->name : ""}, {"line", where.line}, {"column", where.column}};
}

Json attribute_to_json(const AttributeChange& attribute) {
  const bool shown = !attribute.sensitive;
  return {{"name", attribute.name},
          {"before", shown ? to_json(attribute.before) : Json()},
          {"after", shown && attribute.known ? to_json(attribute.after) : Json()},
          {"known", attribute.known},
          {"sensitive", attribute.sensitive},
          {"forces_replace", attribute.forces_replace}};
}

Json stages_to_json(const Plan& plan) {
  Json stages = Json::array();
  for (const PlannedStage& stage : plan.stages) {
    stages.push_back({{"address", plan.changes[stage.change].address.to_string()},
                      {"stage", to_string(stage.stage)},
                      {"commit_phase", stage.commit_phase},
                      {"after", stage.after}});
  }
  return stages;
}

Json summary_to_json(const PlanSummary& summary) {
  return {{"none", summary.none},       {"create", summary.create}, {"update", summary.update},
          {"replace", summary.replace}, {"remove", summary.remove}, {"irreversible", summary.irreversible}};
}

std::string_view json_word(CheckStatus status) {
  if (status == CheckStatus::pass) return "pass";
  return status == CheckStatus::warn ? "warn" : "fail";
}

std::string_view json_word(Severity severity) {
  if (severity == Severity::note) return "note";
  return severity == Severity::warning ? "warning" : "error";
}

}  // namespace

Json change_to_plan_json(const Change& change) {
  Json attributes = Json::array();
  for (const AttributeChange& attribute : change.attributes) attributes.push_back(attribute_to_json(attribute));
  return {{"address", change.address.to_string()},
          {"action", to_string(change.action)},
          {"reversible", change.reversible()},
          {"needs_reboot", change.needs_reboot},
          {"irreversible", change.irreversible},
          {"reasons", change.reasons},
          {"attributes", std::move(attributes)},
          {"notes", change.notes},
          {"unreadable", change.before.unreadable}};
}

Json plan_to_json(const Plan& plan) {
  Json changes = Json::array();
  for (const Change& change : plan.changes) changes.push_back(change_to_plan_json(change));
  return {{"format_version", plan_format_version},
          {"purpose", to_string(plan.purpose)},
          {"cluster", plan.cluster},
          {"spec", {{"name", plan.spec_name}, {"sha256", plan.spec_sha256}}},
          {"host", {{"identity", plan.host_identity}, {"description", plan.host_description}}},
          {"selection",
           {{"targets", to_json(plan.selection.targets)},
            {"excludes", to_json(plan.selection.excludes)},
            {"replaces", to_json(plan.selection.replaces)}}},
          {"changes", std::move(changes)},
          {"stages", stages_to_json(plan)},
          {"summary", summary_to_json(summarize(plan))},
          {"warnings", diagnostics_to_json(plan.warnings)}};
}

Json checks_to_json(const std::vector<CheckResult>& checks) {
  Json out = Json::array();
  for (const CheckResult& check : checks) {
    Json item = {{"name", check.name},           {"address", check.address.to_string()},
                 {"status", json_word(check.status)}, {"found", check.found},
                 {"read_from", check.read_from}, {"remedy", check.remedy},
                 {"needs_reboot", check.needs_reboot}};
    if (check.where) item["where"] = location_to_json(*check.where);
    out.push_back(std::move(item));
  }
  return out;
}

Json diagnostic_to_json(const Diagnostic& diagnostic) {
  Json item = {{"severity", json_word(diagnostic.severity)}, {"summary", diagnostic.summary}};
  if (!diagnostic.why.empty()) item["why"] = diagnostic.why;
  if (!diagnostic.remedy.empty()) item["remedy"] = diagnostic.remedy;
  if (!diagnostic.address.empty()) item["address"] = diagnostic.address;
  if (diagnostic.where) item["where"] = location_to_json(*diagnostic.where);
  return item;
}

Json diagnostics_to_json(const std::vector<Diagnostic>& diagnostics) {
  Json out = Json::array();
  for (const Diagnostic& diagnostic : diagnostics) out.push_back(diagnostic_to_json(diagnostic));
  return out;
}

std::string to_line(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

std::string to_document(const Json& json) {
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + '\n';
}

}  // namespace gpuplan
