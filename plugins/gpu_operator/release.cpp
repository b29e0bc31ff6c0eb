#include "release.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>

namespace gpuplan::gpu_operator {
namespace {

// Of the operator and of its dependency node-feature-discovery; `helm uninstall` leaves them.
constexpr std::array<const char*, 8> crds = {"clusterpolicies.nvidia.com",
                                             "computedomaincliques.resource.nvidia.com",
                                             "computedomains.resource.nvidia.com",
                                             "gpuclusters.nvidia.com",
                                             "nodefeaturegroups.nfd.k8s-sigs.io",
                                             "nodefeaturerules.nfd.k8s-sigs.io",
                                             "nodefeatures.nfd.k8s-sigs.io",
                                             "nvidiadrivers.nvidia.com"};

constexpr int not_found_by_shell = 127;

void merge(Json& into, const Json& from) {
  for (const auto& [key, value] : from.items()) {
    if (value.is_object() && into.contains(key) && into[key].is_object())
      merge(into[key], value);
    else
      into[key] = value;
  }
}

// Helm keeps 1.0 and 1e3 as 1 and 1000, for it reads YAML by way of JSON: as they were written they would never be there.
void write_as_helm(Json& value) {
  constexpr double limit = 9.2e18;  // of std::int64_t; larger ones are printed with an exponent on both sides
  if (value.is_structured()) {
    for (Json& item : value) write_as_helm(item);
  } else if (value.is_number_float()) {
    const double number = value.get<double>();
    if (std::abs(number) < limit && std::trunc(number) == number) value = static_cast<std::int64_t>(number);
  }
}

Json parse_values(const std::string& values_json) {
  Json values;
  try {
    values = parse_json(values_json.empty() ? "{}" : values_json, "gpu_operator.values");
  } catch (const JsonError& error) {
    throw HostError(HostError::Kind::refused, "gpu_operator.values", error.what());
  }
  write_as_helm(values);
  if (values.is_object()) return values;
  throw HostError(HostError::Kind::refused, "gpu_operator.values",
                  "gpu_operator.values is not a mapping of Helm values");
}

// What Helm prints as JSON; nothing if there is no release.
std::optional<Json> ask(cluster::GuestView& control_plane, const std::vector<std::string>& argv) {
  const CommandResult result = control_plane.query(argv);
  if (result.exit_status == not_found_by_shell) return std::nullopt;  // where there is no Helm, it made no release
  if (result.errors.find("release: not found") != std::string::npos) return std::nullopt;
  if (!result.ok()) throw cluster::guest_failure(control_plane.target().node, argv, result);
  try {
    return parse_json(result.output, fmt::format("output of `{}`", join_argv(argv)));
  } catch (const JsonError& error) {
    throw HostError(HostError::Kind::failed, join_argv(argv), error.what());
  }
}

Json newest_of(const Json& history) {
  Json newest;
  for (const Json& revision : history) {
    if (newest.is_null() || int_at(revision, "/revision") > int_at(newest, "/revision")) newest = revision;
  }
  return newest;
}

// "v26.3.2" of "gpu-operator-v26.3.2"; that of another chart stays whole, for it is none of ours.
std::string version_of_chart(const std::string& name_and_version) {
  const std::string name = fmt::format("{}-", chart);
  return name_and_version.rfind(name, 0) == 0 ? name_and_version.substr(name.size()) : name_and_version;
}

}  // namespace

std::string chart_version(const std::string& in_spec) {
  const std::string version = in_spec.empty() ? std::string(default_gpu_operator_version) : in_spec;
  return version[0] == 'v' ? version : "v" + version;
}

std::string merged_values(const std::string& driver, const std::string& values_json) {
  // Where nvidia.sh brings the driver, it brings the toolkit, too.
  Json values = {{"cdi", {{"enabled", true}}},
                 {"driver", {{"enabled", driver == "operator"}}},
                 {"toolkit", {{"enabled", driver == "operator"}}}};
  if (driver == "operator") values["driver"]["kernelModuleType"] = "auto";
  merge(values, parse_values(values_json));
  return values.dump();
}

std::optional<bool> driver_in_values(const std::string& values_json) {
  const Json values = parse_values(values_json);
  const Json& enabled = member_at(values, "/driver/enabled");
  if (!enabled.is_boolean()) return std::nullopt;
  return enabled.get<bool>();
}

std::vector<std::string> helm(std::vector<std::string> arguments) {
  std::vector<std::string> argv = {"helm"};
  argv.insert(argv.end(), std::make_move_iterator(arguments.begin()), std::make_move_iterator(arguments.end()));
  argv.insert(argv.end(), {"--kubeconfig", cluster::admin_kubeconfig, "--namespace", release_namespace});
  return argv;
}

std::vector<std::string> helm_upgrade(const std::string& from, const std::string& version) {
  const bool is_registry = from.rfind("oci://", 0) == 0;
  std::vector<std::string> arguments = {"upgrade", "--install", release_name, is_registry ? fmt::format("{}/{}", from, chart) : chart};
  if (!is_registry) arguments.insert(arguments.end(), {"--repo", from});
  arguments.insert(arguments.end(), {"--version", version, "--values", values_path});
  return helm(std::move(arguments));
}

std::optional<Release> find_release(cluster::GuestView& control_plane) {
  const std::optional<Json> history = ask(control_plane, helm({"history", release_name, "-o", "json"}));
  if (!history) return std::nullopt;
  const Json revision = newest_of(*history);
  const std::string status = string_at(revision, "/status");
  if (status == "uninstalled") return std::nullopt;  // with --keep-history, by somebody else
  const std::optional<Json> values = ask(control_plane, helm({"get", "values", release_name, "-o", "json"}));
  if (!values) return std::nullopt;
  return Release{version_of_chart(string_at(revision, "/chart")), status, values->is_object() ? values->dump() : "{}"};
}

std::string cluster_policy_state(cluster::ClusterView& view) {
  if (!view.object("crd", "clusterpolicies.nvidia.com")) return {};
  const std::vector<Json> policies = view.objects("clusterpolicies.nvidia.com");
  return policies.empty() ? "" : string_at(policies.front(), "/status/state", "notReady");
}

std::vector<std::string> present_crds(cluster::ClusterView& view) {
  std::vector<std::string> out;
  for (const Json& crd : view.objects("crd")) {
    const std::string name = string_at(crd, "/metadata/name");
    if (std::find(crds.begin(), crds.end(), name) != crds.end()) out.push_back(name);
  }
  return out;
}

}  // namespace gpuplan::gpu_operator
