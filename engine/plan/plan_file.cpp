#include "plan/plan_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "digest/digest.h"
#include "plan/describe_move.h"
#include "plugin/change_json.h"
#include "report/diagnostic.h"
#include "report/shell.h"

namespace gpuplan {
namespace {

constexpr std::string_view marker = "gpuplan_plan_file";

std::string checksum(const Json& content) {
  return sha256_hex(content.dump(-1, ' ', false, Json::error_handler_t::replace));
}

[[noreturn]] void refuse(const std::string& name, const std::string& why) {
  throw PlanFileError(fmt::format("{} {}; make a new plan with `{}`", printable(name), why,
                                  suggested("plan SPEC --out FILE")));
}

std::vector<Address> addresses_from(const Json& list) {
  std::vector<Address> out;
  for (const Json& text : list) {
    const auto address = Address::parse(text.get<std::string>());
    if (!address) throw JsonError("an address is malformed");
    out.push_back(*address);
  }
  return out;
}

Json content_of(const SavedPlan& saved) {
  Json changes = Json::array();
  for (const Change& change : saved.plan.changes) changes.push_back(to_json(change));
  const Selection& selection = saved.plan.selection;
  return {{"purpose", to_string(saved.plan.purpose)},
          {"cluster", saved.plan.cluster},
          {"spec", {{"name", saved.plan.spec_name}, {"path", saved.spec_path}, {"sha256", saved.plan.spec_sha256}}},
          {"host", {{"identity", saved.plan.host_identity}, {"description", saved.plan.host_description}}},
          {"selection",
           {{"targets", to_json(selection.targets)},
            {"excludes", to_json(selection.excludes)},
            {"replaces", to_json(selection.replaces)}}},
          {"last_run", {{"id", saved.last_run}, {"sha256", saved.last_run_sha256}}},
          {"made", saved.made},
          {"changes", std::move(changes)}};
}

SavedPlan saved_from(const Json& content) {
  SavedPlan saved;
  const std::string purpose = content.at("purpose").get<std::string>();
  if (purpose != "apply" && purpose != "destroy") throw JsonError("the purpose is unknown");
  saved.plan.purpose = purpose == "destroy" ? PlanPurpose::destroy : PlanPurpose::apply;
  saved.plan.cluster = content.at("cluster").get<std::string>();
  saved.plan.spec_name = content.at("spec").at("name").get<std::string>();
  saved.plan.spec_sha256 = content.at("spec").at("sha256").get<std::string>();
  saved.spec_path = content.at("spec").at("path").get<std::string>();
  saved.plan.host_identity = content.at("host").at("identity").get<std::string>();
  saved.plan.host_description = content.at("host").at("description").get<std::string>();
  saved.plan.selection.targets = addresses_from(content.at("selection").at("targets"));
  saved.plan.selection.excludes = addresses_from(content.at("selection").at("excludes"));
  saved.plan.selection.replaces = addresses_from(content.at("selection").at("replaces"));
  saved.last_run = content.at("last_run").at("id").get<std::int64_t>();
  saved.last_run_sha256 = content.at("last_run").at("sha256").get<std::string>();
  saved.made = content.at("made").get<std::int64_t>();
  for (const Json& change : content.at("changes")) saved.plan.changes.push_back(change_from_json(change));
  return saved;
}

// What of an observation a plan stands on: the attributes that are declared.
Observation declared_part(const Change& change) {
  Observation out;
  out.exists = change.before.exists;
  for (const auto& [name, value] : change.before.attributes) {
    if (change.resource.declared.find(name) != nullptr) out.attributes.set(name, value);
  }
  return out;
}

std::string describe_difference(const Change& then, const Change& now, const Schema& schema) {
  const std::string moved = describe_move(schema, declared_part(then), declared_part(now));
  if (!moved.empty()) return moved;
  Observation wanted_then{true, then.resource.declared, {}, {}};
  Observation wanted_now{true, now.resource.declared, {}, {}};
  const std::string declared = describe_move(schema, wanted_then, wanted_now);
  if (!declared.empty()) return "declared " + declared;
  if (then.action == now.action) return "";
  return fmt::format("was to be {}, and would be {} now", to_string(then.action), to_string(now.action));
}

}  // namespace

bool is_plan_file(std::string_view text) {
  const std::size_t start = text.find_first_not_of(" \t\r\n{\"");
  return text.substr(0, 1) == "{" && start != std::string_view::npos && text.substr(start, marker.size()) == marker;
}

std::string plan_file_text(const SavedPlan& saved) {
  const Json content = content_of(saved);
  // Sorted keys put the marker first in no object: it is written by hand, so that a cut file shows what it was.
  return fmt::format("{{\"{}\":{},\"sha256\":\"{}\",\"content\":{}}}\n", marker, plan_file_version, checksum(content),
                     content.dump(-1, ' ', false, Json::error_handler_t::replace));
}

SavedPlan read_plan_file(std::string_view text, const std::string& name) {
  Json document;
  try {
    document = parse_json(text, name);
  } catch (const JsonError&) {
    refuse(name, "is cut short or damaged");
  }
  const auto version = document.find(marker);
  if (version == document.end() || !version->is_number_integer()) refuse(name, "is no saved plan");
  if (*version != plan_file_version) {
    refuse(name, fmt::format("has plan format {}, and this gpuplan reads {}", version->dump(), plan_file_version));
  }
  try {
    const Json& content = document.at("content");
    if (document.at("sha256").get<std::string>() != checksum(content)) refuse(name, "was changed after it was made");
    return saved_from(content);
  } catch (const Json::exception&) {
    refuse(name, "lacks a part of a plan");
  } catch (const JsonError& error) {
    refuse(name, fmt::format("cannot be read ({})", error.what()));
  }
}

std::vector<std::string> moved_since(const SavedPlan& saved, const Plan& now, const StepKinds& kinds) {
  std::vector<std::string> out;
  std::map<Address, Change> current;
  // Through the stored form, so that secrets compare by their fingerprints.
  for (const Change& change : now.changes) current.emplace(change.address, change_from_json(to_json(change)));
  std::set<Address> seen;
  for (const Change& then : saved.plan.changes) {
    seen.insert(then.address);
    const auto found = current.find(then.address);
    if (found == current.end()) {
      out.push_back(then.address.to_string() + ": is not planned any more");
      continue;
    }
    const StepKind* kind = kinds.find(then.address.kind());
    const std::string difference = describe_difference(then, found->second, kind == nullptr ? Schema{} : kind->schema());
    if (!difference.empty()) out.push_back(fmt::format("{}: {}", then.address.to_string(), difference));
  }
  for (const auto& [address, change] : current) {
    if (seen.count(address) == 0) out.push_back(address.to_string() + ": was not planned then");
  }
  return out;
}

}  // namespace gpuplan
