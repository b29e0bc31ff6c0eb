#include "gpu_operator.h"

#include <fmt/format.h>

#include <algorithm>

#include "cluster_common/stored_declaration.h"
#include "plugin/plugin.h"

namespace gpuplan::gpu_operator {
namespace {

using cluster::ClusterView;
using cluster::Reach;

bool is_version(const std::string& text) {
  const std::string numbers = text.substr(text.rfind('v', 0) == 0 ? 1 : 0);
  return std::count(numbers.begin(), numbers.end(), '.') == 2 &&
         numbers.find_first_not_of("0123456789.") == std::string::npos && numbers.find("..") == std::string::npos &&
         numbers.front() != '.' && numbers.back() != '.';
}

CheckResult problem(const char* name, const Resource& resource, CheckStatus status, std::string found,
                    std::string remedy, SourceLocation where) {
  return {name, resource.address, status, std::move(found), "", std::move(remedy), false, std::move(where)};
}

void check_declaration(std::vector<CheckResult>& out, const Resource& resource, const Spec& spec) {
  const GpuOperatorSpec& wanted = spec.gpu_operator;
  if (!wanted.version.empty() && !is_version(wanted.version)) {
    out.push_back(problem("operator-version", resource, CheckStatus::fail,
                          fmt::format("gpu_operator.version is `{}`, which is not a chart version", wanted.version),
                          fmt::format("write it as {}", default_gpu_operator_version), locate(spec, "gpu_operator.version")));
  }
  const std::optional<bool> driver = driver_in_values(wanted.values_json);
  if (driver && *driver != (wanted.driver == "operator")) {
    out.push_back(problem("operator-driver", resource, CheckStatus::fail,
                          fmt::format("gpu_operator.values sets driver.enabled to {}, gpu_operator.driver says {}",
                                      *driver, wanted.driver),
                          "take driver.enabled out of the values: two drivers in one guest break each other",
                          locate(spec, "gpu_operator.values")));
  }
  if (spec.kubernetes.cni == "none") {
    out.push_back(problem("operator-network", resource, CheckStatus::warn,
                          "kubernetes.cni is none: the operator's pods cannot run without a pod network",
                          "install one while apply waits, or set gpu_operator.enabled to false until there is one",
                          locate(spec, "kubernetes.cni")));
  }
}

bool namespace_is_ours(ClusterView& view, const std::string& cluster_name) {
  const std::optional<Json> found = view.object("namespace", release_namespace);
  return found && cluster::label_of(*found, cluster::owner_label) == cluster_name;
}

}  // namespace

const Schema& GpuOperator::schema() const {
  static const Schema schema = {
      {"version", ValueType::text, "", OnChange::update, false, false, false},
      {"driver", ValueType::text, "", OnChange::update, false, false, false},
      {"values", ValueType::text, "", OnChange::update, false, false, false},
      {"pod_security", ValueType::text, "", OnChange::update, false, false, false},
      {"control_plane", ValueType::text, "", OnChange::update, false, false, false},
      {"control_plane_address", ValueType::text, "", OnChange::update, false, false, false},
      {"control_plane_login", ValueType::text, "", OnChange::update, false, false, false},
      {"chart_repository", ValueType::text, "", OnChange::update, false, false, false},
      {"ready", ValueType::boolean, "", OnChange::update, false, false, false},
  };
  return schema;
}

std::vector<Resource> GpuOperator::expand(const Spec& spec) const {
  if (!spec.kubernetes.enabled || !spec.gpu_operator.enabled || !has_gpus(spec)) return {};
  Resource resource;
  resource.address = Address(kind(), release_name);
  resource.declared = {{"version", chart_version(spec.gpu_operator.version)},
                       {"driver", spec.gpu_operator.driver},
                       {"values", merged_values(spec.gpu_operator.driver, spec.gpu_operator.values_json)},
                       {"pod_security", "privileged"},
                       {"ready", true}};
  const auto charts = spec.mirrors.charts.find(chart);
  if (charts != spec.mirrors.charts.end()) resource.declared.set("chart_repository", charts->second);
  cluster::declare_control_plane(resource.declared, spec.control_plane);
  resource.lives_in = {Address("k8s-init", spec.control_plane.name)};
  resource.depends_on = resource.lives_in;
  for (const WorkerSpec& worker : spec.workers) resource.depends_on.emplace_back("worker-join", worker.name);
  resource.where = locate(spec, "gpu_operator");
  return {resource};
}

std::vector<CheckResult> GpuOperator::check(const Resource& resource, const Spec& spec, const Prior& prior,
                                            HostReader& host) const {
  std::vector<CheckResult> out;
  check_declaration(out, resource, spec);
  ClusterView view(host, cluster::control_plane_of(resource.declared));
  std::string note;
  if (prior.owned || view.reach(note) != Reach::cluster) return out;
  try {
    if (find_release(view.guest()) && !namespace_is_ours(view, spec.cluster)) {
      out.push_back(problem(
          "operator-owner", resource, CheckStatus::fail,
          fmt::format("the cluster has a release {0} in namespace {0} that gpuplan did not install", release_name),
          fmt::format("set gpu_operator.enabled to false, or take it away: {}",
                      cluster::by_ssh(spec.cluster, spec.control_plane.name, join_argv(helm({"uninstall", release_name})))),
          locate(spec, "gpu_operator")));
    }
  } catch (const HostError& error) {
    out.push_back(problem("operator-owner", resource, CheckStatus::warn,
                          fmt::format("whether a GPU Operator is installed could not be read: {}", error.what()),
                          cluster::ask_again(spec.cluster), locate(spec, "gpu_operator")));
  }
  return out;
}

Observation GpuOperator::observe(const Resource& resource, const Prior& prior, HostReader& host) const {
  ClusterView view(host, cluster::control_plane_of(resource.declared));
  std::string note;
  const Reach reach = view.reach(note);
  if (reach == Reach::off && prior.complete)
    return cluster::assumed_as_declared(prior.declared, note);
  Observation observed;
  if (reach != Reach::cluster) {
    if (!note.empty()) observed.unreadable.push_back(note);
    return observed;
  }
  try {
    const std::optional<Release> release = find_release(view.guest());
    if (!release) return observed;
    const std::optional<Json> in = view.object("namespace", release_namespace);
    const std::string policy = cluster_policy_state(view);
    const bool by_operator = bool_at(parse_json(release->values, "values of the release"), "/driver/enabled", true);
    const bool unfinished = view.guest().has(values_path);  // taken away at the end of an installation
    observed.exists = true;
    observed.attributes = {{"version", release->version},
                           {"driver", by_operator ? "operator" : "preinstalled"},
                           {"values", release->values},
                           {"pod_security", in ? cluster::label_of(*in, pod_security_label) : ""},
                           {"control_plane", resource.declared.text("control_plane")},
                           {"control_plane_address", resource.declared.text("control_plane_address")},
                           {"ready", release->status == "deployed" && policy == "ready" && !unfinished}};
    for (const auto& [name, value] : observed.attributes)
      observed.read_from[name] = fmt::format("Helm release {}", release_name);
    cluster::observe_what_was_told(observed, resource, prior);
    observed.read_from["ready"] =
        fmt::format("ClusterPolicy ({}) and Helm release ({})", policy.empty() ? "absent" : policy, release->status);
    observed.read_from["pod_security"] = fmt::format("labels of Namespace {}", release_namespace);
  } catch (const HostError& error) {
    observed = {};
    observed.unreadable.emplace_back(error.what());
  }
  return observed;
}

void GpuOperator::plan_removal(Change& change, const RemovalScope& scope) const {
  if (scope.is_withdrawn(Address("k8s-init", change.resource.declared.text("control_plane")))) {
    change.has_withdraw = false;
    change.notes.emplace_back("goes with its cluster");
    return;
  }
  change.has_withdraw = true;
}

// The undo record: the release, the namespace's label and the CRDs as they were.
Json GpuOperator::capture(const Change& change, HostReader& host) const {
  ClusterView view(host, cluster::control_plane_of(change.resource.declared));
  Json captured = {{"release", nullptr}, {"namespace", nullptr}, {"crds", Json::array()}};
  std::string note;
  if (view.reach(note) != Reach::cluster) return captured;
  if (const std::optional<Release> release = find_release(view.guest())) {
    captured["release"] = {{"version", release->version}, {"values", release->values}, {"status", release->status}};
  }
  if (const std::optional<Json> in = view.object("namespace", release_namespace)) {
    captured["namespace"] = {{"pod_security", cluster::label_of(*in, pod_security_label)}};
  }
  captured["crds"] = present_crds(view);
  return captured;
}

}  // namespace gpuplan::gpu_operator

GPUPLAN_PLUGIN(gpuplan::gpu_operator::GpuOperator, "gpu-operator", "installs NVIDIA's GPU Operator with Helm");
