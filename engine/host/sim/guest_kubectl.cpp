#include "host/sim/guest_kubectl.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <sstream>

#include "host/sim/guest_argv.h"
#include "host/sim/guest_call.h"
#include "host/sim/guest_cluster.h"
#include "host/sim/guest_pods.h"

namespace gpuplan::sim {

const std::string* resource_type(const std::string& word) {
  static const std::map<std::string, std::string> types = {{"node", "nodes"},
                                                           {"nodes", "nodes"},
                                                           {"no", "nodes"},
                                                           {"pod", "pods"},
                                                           {"pods", "pods"},
                                                           {"po", "pods"},
                                                           {"namespace", "namespaces"},
                                                           {"namespaces", "namespaces"},
                                                           {"ns", "namespaces"},
                                                           {"configmap", "configmaps"},
                                                           {"configmaps", "configmaps"},
                                                           {"cm", "configmaps"},
                                                           {"daemonset", "daemonsets"},
                                                           {"daemonsets", "daemonsets"},
                                                           {"ds", "daemonsets"},
                                                           {"crd", "customresourcedefinitions"},
                                                           {"crds", "customresourcedefinitions"},
                                                           {"customresourcedefinitions", "customresourcedefinitions"},
                                                           {"clusterpolicy", "clusterpolicies"},
                                                           {"clusterpolicies", "clusterpolicies"},
                                                           {"clusterpolicies.nvidia.com", "clusterpolicies"}};
  const auto found = types.find(word);
  return found == types.end() ? nullptr : &found->second;
}

std::string group_of(const std::string& type) {
  if (type == "clusterpolicies") return "clusterpolicies.nvidia.com";
  if (type == "customresourcedefinitions") return "customresourcedefinitions.apiextensions.k8s.io";
  return type == "daemonsets" ? "daemonsets.apps" : type;
}

CommandResult not_found(const std::string& type, const std::string& name) {
  return fails(1, fmt::format("Error from server (NotFound): {} \"{}\" not found", group_of(type), name));
}

CommandResult no_such_type(const std::string& word) {
  return fails(1, fmt::format("error: the server doesn't have a resource type \"{}\"", word));
}

namespace {

bool is_namespaced(const std::string& type) { return type == "pods" || type == "configmaps" || type == "daemonsets"; }

bool is_known_on_server(SimCluster& cluster, const std::string& type) {
  if (type != "clusterpolicies") return true;
  const Json& crds = cluster.state().at("crds");
  return std::find(crds.begin(), crds.end(), "clusterpolicies.nvidia.com") != crds.end();
}

CommandResult print(const std::vector<Json>& objects, bool as_list, const std::string& format) {
  if (format == "json") {
    if (!as_list) return succeeds(objects.empty() ? "" : objects.front().dump(4) + "\n");
    return succeeds(Json{{"apiVersion", "v1"}, {"kind", "List"}, {"items", objects}}.dump(4) + "\n");
  }
  std::string output;
  for (const Json& object : objects) {
    const std::string name = string_at(object, "/metadata/name");
    std::string kind = string_at(object, "/kind");
    std::transform(kind.begin(), kind.end(), kind.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    output += format == "name" ? fmt::format("{}/{}\n", kind, name) : name + "\n";
  }
  return succeeds(output);
}

CommandResult get_raw(SimCluster&, const std::string& path) {
  static const std::set<std::string> probes = {"/readyz", "/livez", "/healthz"};
  return probes.count(path) > 0
             ? succeeds("ok")
             : fails(1, "Error from server (NotFound): the server could not find the requested resource");
}

// "a=b,c=d" of --selector; other operators are not known.
bool is_selected(const Json& object, const std::string& selector) {
  const Json& labels = member_at(object, "/metadata/labels");
  std::istringstream terms(selector);
  for (std::string term; std::getline(terms, term, ',');) {
    const std::size_t equals = term.find('=');
    const auto found = labels.find(term.substr(0, equals));
    if (found == labels.end() || (equals != std::string::npos && *found != term.substr(equals + 1))) return false;
  }
  return true;
}

CommandResult kubectl_get(GuestCall&, SimCluster& cluster, const ParsedArgv& arguments) {
  if (arguments.has("raw")) return get_raw(cluster, arguments.value("raw"));
  const std::string format = arguments.value("output");
  if (!format.empty() && format != "json" && format != "name") {
    return fails(1, fmt::format("error: unable to match a printer suitable for the output format \"{}\", the "
                                "simulated kubectl has: json,name",
                                format));
  }
  if (arguments.words.size() < 2) return fails(1, "error: Required resource not specified.");
  const std::string word = arguments.words[1].substr(0, arguments.words[1].find('/'));
  std::vector<std::string> names(arguments.words.begin() + 2, arguments.words.end());
  if (word != arguments.words[1]) names.push_back(arguments.words[1].substr(word.size() + 1));
  const std::string* type = resource_type(word);
  if (type == nullptr || !is_known_on_server(cluster, *type)) return no_such_type(word);

  std::vector<Json> objects = cluster.objects(*type);
  if (is_namespaced(*type) && !arguments.has("all-namespaces")) {
    const std::string in = arguments.value("namespace", "default");
    objects.erase(std::remove_if(objects.begin(), objects.end(),
                                 [&](const Json& object) { return string_at(object, "/metadata/namespace") != in; }),
                  objects.end());
  }
  const std::string selector = arguments.value("selector");
  objects.erase(std::remove_if(objects.begin(), objects.end(), [&](const Json& object) { return !is_selected(object, selector); }),
                objects.end());
  if (names.empty()) return print(objects, true, format);
  std::vector<Json> chosen;
  for (const std::string& name : names) {
    const auto found = std::find_if(objects.begin(), objects.end(),
                                    [&](const Json& object) { return string_at(object, "/metadata/name") == name; });
    if (found != objects.end())
      chosen.push_back(*found);
    else if (!arguments.has("ignore-not-found"))
      return not_found(*type, name);
  }
  return print(chosen, names.size() > 1, format);
}

struct KubectlSubcommand {
  std::vector<Flag> flags;
  CommandResult (*run)(GuestCall&, SimCluster&, const ParsedArgv&);
};

const std::map<std::string, KubectlSubcommand>& kubectl_subcommands() {
  static const std::map<std::string, KubectlSubcommand> all = {
      {"get",
       {{{"output", 'o'},
         {"raw"},
         {"all-namespaces", 'A', false},
         {"ignore-not-found", '\0', false},
         {"selector", 'l'}},
        kubectl_get}},
      {"cordon", {{}, kubectl_cordon}},
      {"uncordon", {{}, kubectl_uncordon}},
      {"drain",
       {{{"ignore-daemonsets", '\0', false},
         {"delete-emptydir-data", '\0', false},
         {"force", '\0', false},
         {"timeout"},
         {"grace-period"}},
        kubectl_drain}},
      {"delete", {{{"filename", 'f'}, {"ignore-not-found", '\0', false}, {"wait"}, {"timeout"}}, kubectl_delete}},
      {"label", {{{"overwrite", '\0', false}}, kubectl_label}},
      {"taint", {{{"overwrite", '\0', false}}, kubectl_taint}},
      {"set", {{}, kubectl_set}},
      {"apply", {{{"filename", 'f'}, {"server-side", '\0', false}}, kubectl_apply}},
      {"logs", {{{"tail"}, {"container", 'c'}}, kubectl_logs}},
      {"create", {{{"filename", 'f'}}, kubectl_create}}};
  return all;
}

const std::vector<Flag>& global_flags() {
  static const std::vector<Flag> flags = {{"kubeconfig"}, {"request-timeout"}, {"namespace", 'n'}, {"v", 'v'}};
  return flags;
}

// The subcommand is the first word that is no global flag and no value of one.
std::string find_subcommand(const GuestCall& call) {
  for (std::size_t i = 1; i < call.argv().size(); ++i) {
    const std::string& word = call.argv()[i];
    if (word == "--kubeconfig" || word == "--request-timeout" || word == "-n" || word == "--namespace")
      ++i;
    else if (word.empty() || word[0] != '-')
      return word;
  }
  return {};
}

}  // namespace

CommandResult run_kubectl(GuestCall& call) {
  const std::string name = find_subcommand(call);
  const auto subcommand = kubectl_subcommands().find(name);
  if (subcommand == kubectl_subcommands().end())
    return fails(1, fmt::format("error: unknown command \"{}\" for \"kubectl\"", name));
  std::vector<Flag> flags = subcommand->second.flags;
  flags.insert(flags.end(), global_flags().begin(), global_flags().end());
  const ParsedArgv arguments = parse_argv(call.argv(), 1, flags);
  if (!arguments.error.empty())
    return fails(1, fmt::format("error: {}\nSee 'kubectl {} --help' for usage.", arguments.error, name));
  if (name != "get" && name != "logs") call.changes();
  if (const auto problem = cluster_problem(call, arguments.value("kubeconfig"))) {
    return fails(1, problem->rfind("stat ", 0) == 0 ? "error: " + *problem : *problem);
  }
  SimCluster cluster(call.disk, call.world);
  settle_pods(cluster, call.world);
  return subcommand->second.run(call, cluster, arguments);
}

}  // namespace gpuplan::sim
