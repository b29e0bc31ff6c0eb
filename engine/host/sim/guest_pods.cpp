#include "host/sim/guest_pods.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "host/sim/guest_argv.h"
#include "host/sim/guest_programs.h"

namespace gpuplan::sim {
namespace {

constexpr const char* gpu_resource = "nvidia.com/gpu";
constexpr const char* enforce_label = "pod-security.kubernetes.io/enforce";

// Of the API's fields those that the simulated server knows; any other is refused, as a misspelt one would be.
const std::map<std::string, std::set<std::string>>& known_fields() {
  static const std::map<std::string, std::set<std::string>> fields = {
      {"", {"apiVersion", "kind", "metadata", "spec"}},
      {"metadata", {"name", "namespace", "labels", "annotations"}},
      {"spec",
       {"restartPolicy", "activeDeadlineSeconds", "terminationGracePeriodSeconds", "automountServiceAccountToken",
        "enableServiceLinks", "nodeSelector", "tolerations", "containers", "securityContext"}},
      {"spec.securityContext", {"runAsNonRoot", "runAsUser", "runAsGroup", "seccompProfile"}},
      {"spec.containers",
       {"name", "image", "imagePullPolicy", "command", "args", "env", "resources", "securityContext"}},
      {"spec.containers.resources", {"limits", "requests"}},
      {"spec.containers.securityContext",
       {"allowPrivilegeEscalation", "capabilities", "privileged", "readOnlyRootFilesystem", "runAsNonRoot",
        "runAsUser"}},
      {"spec.tolerations", {"key", "operator", "value", "effect", "tolerationSeconds"}}};
  return fields;
}

// The first unknown field below `path`; empty if there is none.
std::string unknown_field(const Json& value, const std::string& path) {
  if (value.is_array()) {
    for (const Json& item : value) {
      if (std::string found = unknown_field(item, path); !found.empty()) return found;
    }
    return {};
  }
  const auto known = known_fields().find(path);
  if (!value.is_object() || known == known_fields().end()) return {};
  for (const auto& [key, member] : value.items()) {
    const std::string inner = path.empty() ? key : path + "." + key;
    if (known->second.count(key) == 0) return inner;
    if (std::string found = unknown_field(member, inner); !found.empty()) return found;
  }
  return {};
}

const Json& container_of(const Json& manifest) { return member_at(manifest, "/spec/containers/0"); }

std::size_t gpus_asked_for(const Json& manifest) {
  const Json& limits = member_at(container_of(manifest), "/resources/limits");
  const auto found = limits.find(gpu_resource);
  if (found == limits.end()) return 0;
  return found->is_number_unsigned()
             ? found->get<std::size_t>()
             : static_cast<std::size_t>(std::atoll(found->is_string() ? found->get<std::string>().c_str() : "0"));
}

// What the namespace's pod security level forbids; empty if nothing.
std::string security_violation(const Json& manifest, const std::string& level) {
  const Json& container = container_of(manifest);
  if (level.empty() || level == "privileged") return {};
  std::string out;
  const auto violated = [&](bool is, const std::string& what) {
    if (is) out += (out.empty() ? "" : ", ") + what;
  };
  violated(bool_at(container, "/securityContext/privileged"),
           "privileged (container must not set securityContext.privileged=true)");
  if (level == "baseline") return out;
  const Json& dropped = member_at(container, "/securityContext/capabilities/drop");
  violated(bool_at(container, "/securityContext/allowPrivilegeEscalation", true),
           "allowPrivilegeEscalation != false (container must set securityContext.allowPrivilegeEscalation=false)");
  violated(std::find(dropped.begin(), dropped.end(), Json("ALL")) == dropped.end(),
           "unrestricted capabilities (container must set securityContext.capabilities.drop=[\"ALL\"])");
  violated(!bool_at(manifest, "/spec/securityContext/runAsNonRoot"),
           "runAsNonRoot != true (pod or container must set securityContext.runAsNonRoot=true)");
  violated(string_at(manifest, "/spec/securityContext/seccompProfile/type").empty(),
           "seccompProfile (pod or container must set securityContext.seccompProfile.type to \"RuntimeDefault\" or "
           "\"Localhost\")");
  return out;
}

bool tolerates(const Json& manifest, const Json& taint) {
  return string_at(taint, "/effect") == "PreferNoSchedule" || is_tolerated(taint, member_at(manifest, "/spec/tolerations"));
}

bool tolerates_all(const Json& manifest, const Json& taints) {
  return std::all_of(taints.begin(), taints.end(), [&](const Json& taint) { return tolerates(manifest, taint); });
}

bool selects(const Json& manifest, const Json& labels) {
  for (const auto& [label, value] : member_at(manifest, "/spec/nodeSelector").items()) {
    const auto found = labels.find(label);
    if (found == labels.end() || *found != value) return false;
  }
  return true;
}

bool has_ended(const Json& record) {
  const std::string phase = string_at(record, "/phase");
  return phase == "Succeeded" || phase == "Failed";
}

std::size_t gpus_in_use(SimCluster& cluster, const std::string& node) {
  std::size_t used = 0;
  for (const auto& [key, record] : cluster.state()["pods"].items()) {
    if (string_at(record, "/node") == node && !has_ended(record)) used += gpus_asked_for(record.at("manifest"));
  }
  return used;
}

// Whether a taint of the node keeps the pod away: the one that it has while it is not ready, or another.
bool is_repelled(SimCluster& cluster, const Json& manifest, const std::string& node) {
  static const Json control_plane_taint = {{"key", "node-role.kubernetes.io/control-plane"}, {"effect", "NoSchedule"}};
  if (node == string_at(cluster.state(), "/control_plane") && !tolerates(manifest, control_plane_taint)) return true;
  return !tolerates_all(manifest, cluster.taints_of(node)) || !cluster.why_not_ready(node).empty();
}

// Puts the pod onto a node, or notes in the scheduler's words why there is none.
void schedule(SimCluster& cluster, GuestWorld& world, Json& record) {
  static const Json cordon_taint = {{"key", "node.kubernetes.io/unschedulable"}, {"effect", "NoSchedule"}};
  const Json& manifest = record.at("manifest");
  std::size_t unselected = 0, cordoned = 0, tainted = 0, insufficient = 0;
  const std::vector<Json> nodes = cluster.objects("nodes");
  for (const Json& node : nodes) {
    const std::string name = string_at(node, "/metadata/name");
    if (!selects(manifest, member_at(node, "/metadata/labels")))
      ++unselected;
    else if (bool_at(node, "/spec/unschedulable") && !tolerates(manifest, cordon_taint))
      ++cordoned;
    else if (is_repelled(cluster, manifest, name))
      ++tainted;
    else if (gpus_asked_for(manifest) + gpus_in_use(cluster, name) > cluster.allocatable_gpus(name))
      ++insufficient;
    else {
      record["node"] = name;
      record["scheduled"] = world.now();
      record.erase("message");
      return;
    }
  }
  std::string why;
  const auto add = [&](std::size_t count, const std::string& what) {
    if (count > 0) why += fmt::format("{}{} {}", why.empty() ? "" : ", ", count, what);
  };
  add(insufficient, fmt::format("Insufficient {}", gpu_resource));
  add(unselected, "node(s) didn't match Pod's node affinity/selector");
  add(tainted, "node(s) had untolerated taint(s)");
  add(cordoned, "node(s) were unschedulable");
  record["message"] = fmt::format("0/{} nodes are available: {}.", nodes.size(), why);
}

void end(Json& record, const ProgramResult& result) {
  record["phase"] = result.exit_status == 0 ? "Succeeded" : "Failed";
  record["exit_code"] = result.exit_status;
  record["log"] = result.log;
  record["end_reason"] =
      result.start_error.empty() ? (result.exit_status == 0 ? "Completed" : "Error") : "StartError";
  if (!result.start_error.empty()) record["message"] = result.start_error;
}

void advance(GuestWorld& world, Json& record) {
  const std::string node = string_at(record, "/node");
  const Json& container = container_of(record.at("manifest"));
  GuestDisk* disk = world.disk_of_node(node);
  const std::int64_t now = world.now();
  if (disk == nullptr || now < int_at(record, "/scheduled") + pod_starts_after) return;
  const std::string image = string_at(container, "/image");
  const std::string registry = image.substr(0, image.find('/'));
  for (const Json& blocked : member_at(disk->state, "/unreachable_registries")) {
    if (blocked != registry) continue;
    record["waiting"] = "ImagePullBackOff";
    record["message"] = fmt::format(
        "Back-off pulling image \"{0}\": ErrImagePull: failed to pull and unpack image \"{0}\": failed to "
        "do request: Head \"https://{1}/v2/\": dial tcp: lookup {1}: no such host",
        image, registry);
    return;
  }
  record.erase("waiting");
  if (!record.contains("started")) record["started"] = now;
  record["phase"] = "Running";
  const ProgramResult result = run_container(*disk, world, node, container, gpus_asked_for(record.at("manifest")));
  if (now >= int_at(record, "/started") + result.seconds) end(record, result);
}

}  // namespace

std::optional<std::string> pod_problem(SimCluster& cluster, GuestWorld& world, const Json& manifest,
                                       const std::string& in) {
  const std::string name = string_at(manifest, "/metadata/name");
  const std::string at = "error when creating \"STDIN\": ";
  if (const std::string field = unknown_field(manifest, ""); !field.empty()) {
    return fmt::format(
        "Error from server (BadRequest): {}Pod in version \"v1\" cannot be handled as a Pod: strict decoding error: "
        "unknown field \"{}\"",
        at, field);
  }
  const Json& container = container_of(manifest);
  const auto invalid = [&](const std::string& what) {
    return fmt::format("The Pod \"{}\" is invalid: {}", name, what);
  };
  if (name.empty()) return invalid("metadata.name: Required value: name or generateName is required");
  if (string_at(container, "/image").empty()) return invalid("spec.containers[0].image: Required value");
  if (string_at(container, "/name").empty()) return invalid("spec.containers[0].name: Required value");
  if (member_at(container, "/resources/requests").contains(gpu_resource) &&
      !member_at(container, "/resources/limits").contains(gpu_resource)) {
    return invalid(fmt::format(
        "spec.containers[0].resources.limits: Required value: Limit must be set for non overcommitable resources"));
  }
  const Json& space = member_at(cluster.namespaces(), "/" + in);
  if (space.is_null()) return fmt::format("Error from server (NotFound): {}namespaces \"{}\" not found", at, in);
  const auto forbidden = [&](const std::string& why) {
    return fmt::format("Error from server (Forbidden): {}pods \"{}\" is forbidden: {}", at, name, why);
  };
  if (space.contains("created") && world.now() < int_at(space, "/created") + service_account_after) {
    return forbidden(
        fmt::format("error looking up service account {}/default: serviceaccount \"default\" not found", in));
  }
  const Json& labels = member_at(space, "/labels");
  const std::string level = labels.contains(enforce_label) ? labels.at(enforce_label).get<std::string>() : "";
  if (const std::string violation = security_violation(manifest, level); !violation.empty()) {
    return forbidden(fmt::format("violates PodSecurity \"{}:latest\": {}", level, violation));
  }
  if (member_at(cluster.state(), "/pods").contains(in + "/" + name)) {
    return fmt::format("Error from server (AlreadyExists): {}pods \"{}\" already exists", at, name);
  }
  return std::nullopt;
}

void add_pod(SimCluster& cluster, GuestWorld& world, const Json& manifest, const std::string& in) {
  Json& pods = cluster.state()["pods"];
  pods[in + "/" + string_at(manifest, "/metadata/name")] = {
      {"namespace", in}, {"manifest", manifest}, {"created", world.now()}, {"phase", "Pending"}, {"log", ""}};
}

void settle_pods(SimCluster& cluster, GuestWorld& world) {
  if (!cluster.state().contains("pods")) return;
  // Ends first: what they leave can be had by those that wait.
  for (auto& [key, record] : cluster.state()["pods"].items()) {
    if (record.contains("node") && !has_ended(record)) advance(world, record);
  }
  for (auto& [key, record] : cluster.state()["pods"].items()) {
    if (!record.contains("node")) schedule(cluster, world, record);
  }
}

Json pod_object(const Json& record) {
  Json pod = record.at("manifest");
  pod["metadata"]["namespace"] = string_at(record, "/namespace");
  pod["metadata"]["creationTimestamp"] = api_time(int_at(record, "/created"));
  if (record.contains("node")) pod["spec"]["nodeName"] = string_at(record, "/node");
  const std::string phase = string_at(record, "/phase");
  Json status = {{"phase", phase}};
  if (!record.contains("node")) {
    status["conditions"] = Json::array({{{"type", "PodScheduled"},
                                         {"status", "False"},
                                         {"reason", "Unschedulable"},
                                         {"message", string_at(record, "/message")}}});
    pod["status"] = status;
    return pod;
  }
  status["conditions"] = Json::array({{{"type", "PodScheduled"}, {"status", "True"}}});
  Json state = {{"waiting", {{"reason", "ContainerCreating"}}}};
  if (record.contains("waiting")) {
    state = {{"waiting", {{"reason", string_at(record, "/waiting")}, {"message", string_at(record, "/message")}}}};
  } else if (has_ended(record)) {
    state = {{"terminated",
              {{"exitCode", int_at(record, "/exit_code")},
               {"reason", string_at(record, "/end_reason")},
               {"message", string_at(record, "/message")}}}};
  } else if (phase == "Running") {
    state = {{"running", {{"startedAt", api_time(int_at(record, "/started"))}}}};
  }
  status["containerStatuses"] =
      Json::array({{{"name", string_at(container_of(record.at("manifest")), "/name")}, {"state", state}}});
  pod["status"] = status;
  return pod;
}

CommandResult kubectl_logs(GuestCall&, SimCluster& cluster, const ParsedArgv& arguments) {
  if (arguments.words.size() != 2)
    return fails(1, "error: expected 'logs [-f] [-p] (POD | TYPE/NAME) [-c CONTAINER]'.");
  const std::string& name = arguments.words[1];
  const Json& record = member_at(cluster.state(), "/pods/" + arguments.value("namespace", "default") + "~1" + name);
  if (record.is_null()) return fails(1, fmt::format("Error from server (NotFound): pods \"{}\" not found", name));
  if (!record.contains("started")) {
    return fails(
        1,
        fmt::format(
            "Error from server (BadRequest): container \"{0}\" in pod \"{1}\" is waiting to start: ContainerCreating",
            string_at(container_of(record.at("manifest")), "/name"), name));
  }
  return succeeds(string_at(record, "/log"));
}

}  // namespace gpuplan::sim
