#include <fmt/format.h>

#include <algorithm>

#include "host/sim/guest_kubeadm_config.h"
#include "host/sim/guest_kubectl.h"
#include "host/sim/guest_pods.h"
#include "host/sim/guest_yaml.h"

namespace gpuplan::sim {
namespace {

std::string name_in(const ParsedArgv& arguments) {
  const std::string word = arguments.words.size() > 1 ? arguments.words[1] : "";
  return word.substr(word.rfind('/') + 1);
}

CommandResult set_unschedulable(SimCluster& cluster, const ParsedArgv& arguments, bool on) {
  const std::string node = name_in(arguments);
  if (node.empty()) return fails(1, fmt::format("error: USAGE: {} NODE [flags]", arguments.words[0]));
  if (!cluster.nodes().contains(node)) return not_found("nodes", node);
  Json& record = cluster.nodes()[node];
  const bool already = bool_at(record, "/unschedulable") == on;
  record["unschedulable"] = on;
  return succeeds(fmt::format("node/{} {}{}ed\n", node, already ? "already " : "", on ? "cordon" : "uncordon"));
}

// The CNI that a manifest of an upstream release installs; empty if there is no such manifest.
std::string cni_at(const std::string& url) {
  const auto ends_with = [&](const std::string& end) {
    return url.size() >= end.size() && url.compare(url.size() - end.size(), end.size(), end) == 0;
  };
  const bool pinned = url.find("/v3.") != std::string::npos || url.find("/v0.") != std::string::npos;
  if (is_on_a_mirror(url)) {
    if (url.find("calico") != std::string::npos) return "calico";
    return url.find("flannel") == std::string::npos ? "" : "flannel";
  }
  if (!pinned || url.rfind("https://", 0) != 0) return {};
  if (url.find("/projectcalico/calico/") != std::string::npos && ends_with("/manifests/calico.yaml")) return "calico";
  if (url.find("/flannel-io/flannel/") != std::string::npos && ends_with("/kube-flannel.yml")) return "flannel";
  return {};
}

CommandResult manifest_problem(const ParsedArgv& arguments) {
  const std::string url = arguments.value("filename");
  if (url.empty()) return fails(1, "error: must specify one of -f and -k");
  if (url.rfind("http", 0) != 0) return fails(1, fmt::format("error: the path \"{}\" does not exist", url));
  return fails(1,
               fmt::format("error: unable to read URL \"{}\", server reported 404 Not Found, status code=404", url));
}

CommandResult delete_nodes(SimCluster& cluster, const std::vector<std::string>& names, bool ignore_missing) {
  std::string output;
  for (const std::string& name : names) {
    if (cluster.nodes().erase(name) > 0)
      output += fmt::format("node \"{}\" deleted\n", name);
    else if (!ignore_missing)
      return not_found("nodes", name);
  }
  return succeeds(output);
}

CommandResult delete_namespaces(SimCluster& cluster, const std::vector<std::string>& names, bool ignore_missing) {
  std::string output;
  for (const std::string& name : names) {
    if (cluster.namespaces().erase(name) == 0) {
      if (!ignore_missing) return not_found("namespaces", name);
      continue;
    }
    Json pods = Json::object();
    for (const auto& [key, record] : member_at(cluster.state(), "/pods").items()) {
      if (string_at(record, "/namespace") != name) pods[key] = record;
    }
    if (pods.empty()) cluster.state().erase("pods");
    else cluster.state()["pods"] = pods;
    Json kept = Json::object();
    for (const auto& [release, data] : cluster.releases().items()) {
      if (string_at(data, "/namespace") != name) kept[release] = data;
    }
    cluster.releases() = kept;
    output += fmt::format("namespace \"{}\" deleted\n", name);
  }
  return succeeds(output);
}

CommandResult delete_crds(SimCluster& cluster, const std::vector<std::string>& names, bool ignore_missing) {
  std::string output;
  for (const std::string& name : names) {
    Json& crds = cluster.state()["crds"];
    const auto found = std::find_if(crds.begin(), crds.end(), [&](const Json& crd) {
      return crd.is_string() && crd.get_ref<const std::string&>() == name;
    });
    if (found != crds.end()) {
      crds.erase(found);
      output += fmt::format("customresourcedefinition.apiextensions.k8s.io \"{}\" deleted\n", name);
    } else if (!ignore_missing) {
      return not_found("customresourcedefinitions", name);
    }
  }
  return succeeds(output);
}

}  // namespace

CommandResult kubectl_cordon(GuestCall&, SimCluster& cluster, const ParsedArgv& arguments) {
  return set_unschedulable(cluster, arguments, true);
}

CommandResult kubectl_uncordon(GuestCall&, SimCluster& cluster, const ParsedArgv& arguments) {
  return set_unschedulable(cluster, arguments, false);
}

namespace {

// A disruption budget that never allows the eviction: asked again every 5 s until the time is up.
CommandResult never_evicted(const std::string& output, const std::string& node, const std::string& pod,
                            const std::string& timeout) {
  constexpr std::int64_t retry_after = 5;
  const std::string evicting = fmt::format("error when evicting pods/\"{}\" -n \"default\"", pod);
  const std::string given_up = fmt::format("{}: global timeout reached: {}", evicting, timeout);
  CommandResult result{1, output, {}};
  for (std::int64_t waited = 0; waited < parse_go_duration(timeout); waited += retry_after) {
    result.output += fmt::format("evicting pod default/{}\n", pod);
    result.errors += fmt::format("{} (will retry after {}s): Cannot evict pod as it would violate the pod's disruption budget.\n",
                                 evicting, retry_after);
  }
  result.errors += fmt::format("There are pending pods in node \"{}\" when an error occurred: {}\npod/{}\n", node, given_up, pod);
  result.errors += fmt::format("error: unable to drain node \"{}\" due to error: {}, continuing command...\n\n", node, given_up);
  return result;
}

}  // namespace

CommandResult kubectl_drain(GuestCall&, SimCluster& cluster, const ParsedArgv& arguments) {
  const std::string node = name_in(arguments);
  const CommandResult cordoned = set_unschedulable(cluster, arguments, true);
  if (!cordoned.ok()) return cordoned;
  const auto unable = [&](const std::string& why) {
    return CommandResult{
        1, cordoned.output,
        fmt::format("error: unable to drain node \"{}\" due to error: {}, continuing command...\n", node, why)};
  };
  if (!arguments.has("ignore-daemonsets")) {
    return unable(fmt::format(
        "cannot delete DaemonSet-managed Pods (use --ignore-daemonsets to ignore): kube-system/kube-proxy-{}", node));
  }
  const std::string stuck = string_at(cluster.nodes()[node], "/stuck_pod");
  if (!stuck.empty()) return never_evicted(cordoned.output, node, stuck, arguments.value("timeout", "0s"));
  return succeeds(cordoned.output + fmt::format("node/{} drained\n", node));
}

CommandResult kubectl_delete(GuestCall&, SimCluster& cluster, const ParsedArgv& arguments) {
  if (arguments.has("filename")) {
    const std::string cni = cni_at(arguments.value("filename"));
    if (cni.empty()) return manifest_problem(arguments);
    if (cluster.cni() != cni && !arguments.has("ignore-not-found")) return not_found("daemonsets", cni);
    if (cluster.cni() == cni) {
      cluster.state()["cni"] = "";
      cluster.state().erase("cni_environment");
    }
    if (cni == "flannel") cluster.namespaces().erase("kube-flannel");
    return succeeds("");
  }
  const std::string word = arguments.words.size() > 1 ? arguments.words[1] : "";
  const std::string* type = resource_type(word);
  if (type == nullptr) return no_such_type(word);
  const std::vector<std::string> names(arguments.words.begin() + 2, arguments.words.end());
  if (names.empty()) return fails(1, "error: resource(s) were provided, but no name was specified");
  const bool ignore_missing = arguments.has("ignore-not-found");
  if (*type == "nodes") return delete_nodes(cluster, names, ignore_missing);
  if (*type == "namespaces") return delete_namespaces(cluster, names, ignore_missing);
  if (*type == "customresourcedefinitions") return delete_crds(cluster, names, ignore_missing);
  return fails(1, fmt::format("error: the simulated kubectl does not delete {}", *type));
}

CommandResult kubectl_label(GuestCall&, SimCluster& cluster, const ParsedArgv& arguments) {
  const std::string* type = arguments.words.size() > 3 ? resource_type(arguments.words[1]) : nullptr;
  if (type == nullptr || (*type != "nodes" && *type != "namespaces")) {
    return fails(1, "error: at least one label update is required, for a node or a namespace");
  }
  const std::string name = arguments.words[2];
  Json& objects = *type == "nodes" ? cluster.nodes() : cluster.namespaces();
  if (!objects.contains(name)) return not_found(*type, name);
  Json labels = objects[name]["labels"];
  for (std::size_t i = 3; i < arguments.words.size(); ++i) {
    const std::string& change = arguments.words[i];
    const std::size_t equals = change.find('=');
    const std::string key = change.substr(0, equals == std::string::npos ? change.size() - 1 : equals);
    if (equals == std::string::npos && change.back() != '-')
      return fails(1, fmt::format("error: unknown label spec: {}", change));
    if (equals == std::string::npos) {
      labels.erase(key);
      continue;
    }
    const std::string value = change.substr(equals + 1);
    if (labels.contains(key) && labels[key] != value && !arguments.has("overwrite")) {
      return fails(1, fmt::format("error: '{}' already has a value ({}), and --overwrite is false", key,
                                  string_at(labels, "/" + key)));
    }
    labels[key] = value;
  }
  const bool changed = labels != objects[name]["labels"];
  objects[name]["labels"] = labels;
  return succeeds(
      fmt::format("{}/{} {}labeled\n", *type == "nodes" ? "node" : "namespace", name, changed ? "" : "not "));
}

// `set env daemonset/NAME KEY=VALUE`, of the pod network alone. Its pods start anew.
CommandResult kubectl_set(GuestCall& call, SimCluster& cluster, const ParsedArgv& arguments) {
  const std::vector<std::string>& words = arguments.words;
  const std::size_t equals = words.size() == 4 ? words[3].find('=') : std::string::npos;
  if (equals == std::string::npos || words[1] != "env")
    return fails(1, "error: the simulated kubectl sets one variable of one daemonset: set env daemonset/NAME KEY=VALUE");
  const bool present = words[2] == "daemonset/calico-node" && cluster.cni() == "calico" && arguments.value("namespace") == "kube-system";
  if (!present) return not_found("daemonsets", words[2].substr(words[2].find('/') + 1));
  Json& value = cluster.state()["cni_environment"][words[3].substr(0, equals)];
  if (value == words[3].substr(equals + 1)) return succeeds("");
  value = words[3].substr(equals + 1);
  cluster.state()["cni_since"] = call.world.now();
  return succeeds("daemonset.apps/calico-node env updated\n");
}

CommandResult kubectl_apply(GuestCall& call, SimCluster& cluster, const ParsedArgv& arguments) {
  const std::string cni = cni_at(arguments.value("filename"));
  if (cni.empty()) return manifest_problem(arguments);
  if (cluster.cni() != cni) {
    cluster.state()["cni"] = cni;
    cluster.state()["cni_since"] = call.world.now();
  }
  write_cni_files(call.disk, cni);
  for (const auto& [node, record] : cluster.nodes().items()) {
    if (GuestDisk* disk = call.world.disk_of_node(node)) write_cni_files(*disk, cni);
  }
  if (cni == "flannel")
    cluster.namespaces()["kube-flannel"] = {{"labels", {{"pod-security.kubernetes.io/enforce", "privileged"}}}};
  return succeeds(fmt::format("daemonset.apps/{} configured\n", cni == "calico" ? "calico-node" : "kube-flannel-ds"));
}

void add_namespace(SimCluster& cluster, const std::string& name, Json labels, std::int64_t now) {
  if (!labels.is_object()) labels = Json::object();
  labels["kubernetes.io/metadata.name"] = name;
  cluster.namespaces()[name] = {{"labels", std::move(labels)}, {"created", now}};
}

namespace {

// What `create -f -` was given: each object, those of lists one by one. `error` says what is wrong with it.
std::vector<Json> read_manifests(const std::string& text, std::string& error) {
  std::vector<Json> out;
  for (const Json& document : read_yaml_documents(text, error)) {
    if (string_at(document, "/kind") != "List") {
      out.push_back(document);
      continue;
    }
    for (const Json& item : member_at(document, "/items")) out.push_back(item);
  }
  if (error.empty() && out.empty()) error = "no objects passed to create";
  return out;
}

// One after the other; what was made before an error stays, as with kubectl.
CommandResult create_from_input(GuestCall& call, SimCluster& cluster, const ParsedArgv& arguments) {
  if (arguments.value("filename") != "-") return fails(1, fmt::format("error: the path \"{}\" does not exist", arguments.value("filename")));
  std::string error;
  const std::vector<Json> manifests = read_manifests(call.command.standard_input, error);
  if (!error.empty()) return fails(1, "error: " + error);
  CommandResult result;
  const auto refuse = [&](const std::string& why) {
    result.exit_status = 1;
    result.errors += why + "\n";
  };
  for (const Json& manifest : manifests) {
    const std::string kind = string_at(manifest, "/kind");
    const std::string name = string_at(manifest, "/metadata/name");
    if (string_at(manifest, "/apiVersion") == "v1" && kind == "Namespace") {
      if (cluster.namespaces().contains(name)) {
        refuse(fmt::format("Error from server (AlreadyExists): error when creating \"STDIN\": namespaces \"{}\" already exists", name));
        continue;
      }
      add_namespace(cluster, name, member_at(manifest, "/metadata/labels"), call.world.now());
      result.output += fmt::format("namespace/{} created\n", name);
    } else if (string_at(manifest, "/apiVersion") == "v1" && kind == "Pod") {
      const std::string in = string_at(manifest, "/metadata/namespace", arguments.value("namespace", "default"));
      if (const auto problem = pod_problem(cluster, call.world, manifest, in)) {
        refuse(*problem);
        continue;
      }
      add_pod(cluster, call.world, manifest, in);
      result.output += fmt::format("pod/{} created\n", name);
    } else {
      refuse(fmt::format("error: resource mapping not found for name: \"{}\" from \"STDIN\": no matches for kind \"{}\"", name, kind));
    }
  }
  settle_pods(cluster, call.world);
  return result;
}

}  // namespace

CommandResult kubectl_create(GuestCall& call, SimCluster& cluster, const ParsedArgv& arguments) {
  if (arguments.has("filename")) return create_from_input(call, cluster, arguments);
  const std::string* type = arguments.words.size() == 3 ? resource_type(arguments.words[1]) : nullptr;
  if (type == nullptr || *type != "namespaces")
    return fails(1, "error: the simulated kubectl creates namespaces only");
  const std::string name = arguments.words[2];
  if (cluster.namespaces().contains(name)) {
    return fails(1, fmt::format("Error from server (AlreadyExists): namespaces \"{}\" already exists", name));
  }
  add_namespace(cluster, name, Json::object(), call.world.now());
  return succeeds(fmt::format("namespace/{} created\n", name));
}

}  // namespace gpuplan::sim
