// kubectl taint: https://kubernetes.io/docs/reference/kubectl/generated/kubectl_taint/
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "host/sim/guest_kubectl.h"

namespace gpuplan::sim {
namespace {

// "KEY[=VALUE]:EFFECT", or "KEY[:EFFECT]-" to remove.
struct TaintArgument {
  std::string key;
  std::string value;
  std::string effect;
  bool removes = false;
};

std::optional<TaintArgument> parse_argument(std::string text) {
  static const std::set<std::string> effects = {"NoSchedule", "PreferNoSchedule", "NoExecute"};
  TaintArgument out;
  out.removes = !text.empty() && text.back() == '-';
  if (out.removes) text.pop_back();
  const std::size_t colon = text.find(':');
  if (colon != std::string::npos) out.effect = text.substr(colon + 1);
  const std::string pair = text.substr(0, colon);
  const std::size_t equals = pair.find('=');
  out.key = pair.substr(0, equals);
  if (equals != std::string::npos) out.value = pair.substr(equals + 1);
  const bool whole = out.removes && out.effect.empty() ? true : effects.count(out.effect) > 0;
  if (out.key.empty() || !whole || (out.removes && equals != std::string::npos)) return std::nullopt;
  return out;
}

bool is_meant(const Json& taint, const TaintArgument& argument) {
  return string_at(taint, "/key") == argument.key && (argument.effect.empty() || string_at(taint, "/effect") == argument.effect);
}

// What is wrong with the change; nothing if it was made.
std::optional<std::string> change_taints(Json& taints, const TaintArgument& argument, bool overwrite, const std::string& node) {
  Json kept = Json::array();
  for (const Json& taint : taints) {
    if (!is_meant(taint, argument)) kept.push_back(taint);
  }
  const bool found = kept.size() != taints.size();
  const std::string shown = argument.effect.empty() ? argument.key : argument.key + ":" + argument.effect;
  if (argument.removes && !found) return fmt::format("error: taint \"{}\" not found", shown);
  if (!argument.removes && found && !overwrite)
    return fmt::format("error: node {} already has {} taint(s) with same effect(s) and --overwrite is false", node, argument.key);
  if (!argument.removes) {
    Json taint = {{"key", argument.key}, {"effect", argument.effect}};
    if (!argument.value.empty()) taint["value"] = argument.value;
    kept.push_back(std::move(taint));
  }
  taints = std::move(kept);
  return std::nullopt;
}

}  // namespace

CommandResult kubectl_taint(GuestCall&, SimCluster& cluster, const ParsedArgv& arguments) {
  const std::string* type = arguments.words.size() > 3 ? resource_type(arguments.words[1]) : nullptr;
  if (type == nullptr || *type != "nodes") return fails(1, "error: at least one taint update is required");
  const std::string name = arguments.words[2];
  if (!cluster.nodes().contains(name)) return not_found("nodes", name);
  Json& record = cluster.nodes()[name];
  const Json& kept = member_at(record, "/taints");
  Json taints = kept.is_array() ? kept : Json::array();
  bool adds = false, removes = false;
  for (std::size_t i = 3; i < arguments.words.size(); ++i) {
    const auto argument = parse_argument(arguments.words[i]);
    if (!argument) return fails(1, fmt::format("error: invalid taint spec: {}", arguments.words[i]));
    if (const auto problem = change_taints(taints, *argument, arguments.has("overwrite"), name)) return fails(1, *problem);
    (argument->removes ? removes : adds) = true;
  }
  if (taints.empty())
    record.erase("taints");
  else
    record["taints"] = std::move(taints);
  return succeeds(fmt::format("node/{} {}\n", name, adds && removes ? "modified" : removes ? "untainted" : "tainted"));
}

}  // namespace gpuplan::sim
