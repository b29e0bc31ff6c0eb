#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <map>

#include "host/sim/guest_argv.h"
#include "host/sim/guest_call.h"
#include "host/sim/guest_cluster.h"
#include "host/sim/guest_yaml.h"

namespace gpuplan::sim {
namespace {

constexpr const char* nvidia_repository = "https://helm.ngc.nvidia.com/nvidia";

CommandResult helm_fails(const std::string& text) { return fails(1, "Error: " + text); }

std::string namespace_of(const ParsedArgv& arguments) { return arguments.value("namespace", "default"); }

Json* find_release(SimCluster& cluster, const ParsedArgv& arguments, const std::string& name) {
  Json& releases = cluster.releases();
  const std::string key = namespace_of(arguments) + "/" + name;
  return releases.contains(key) ? &releases[key] : nullptr;
}

// As Helm merges value files: mappings deep, everything else replaced.
void merge(Json& into, const Json& from) {
  for (const auto& [key, value] : from.items()) {
    if (value.is_object() && into.contains(key) && into[key].is_object())
      merge(into[key], value);
    else
      into[key] = value;
  }
}

// "v26.3.2" of the operator's chart: YEAR.MONTH.PATCH, from 22.9 on.
bool chart_version_exists(const std::string& version) {
  unsigned year = 0, month = 0, patch = 0;
  int used = 0;
  const int fields = std::sscanf(version.c_str(), "v%2u.%2u.%2u%n", &year, &month, &patch, &used);
  return fields == 3 && static_cast<std::size_t>(used) == version.size() && year >= 22 && year <= 26 && month >= 1 &&
         month <= 12;
}

std::string chart_problem(const std::string& chart, const ParsedArgv& arguments) {
  std::string repository = arguments.value("repo");
  std::string name = chart;
  const std::string version = arguments.value("version");
  if (chart.rfind("oci://", 0) == 0) {
    repository = chart.substr(0, chart.rfind('/'));
    name = chart.substr(chart.rfind('/') + 1);
  }
  if (repository.empty()) return fmt::format("repo {} not found", chart.substr(0, chart.find('/')));
  if (repository != nvidia_repository && !is_on_a_mirror(repository)) {
    return fmt::format(
        "looks like \"{0}\" is not a valid chart repository or cannot be reached: Get \"{0}/index.yaml\": no such "
        "host",
        repository);
  }
  if (name != "gpu-operator") return fmt::format("chart \"{}\" not found in {} repository", name, repository);
  if (!version.empty() && !chart_version_exists(version)) {
    return fmt::format("chart \"{}\" version \"{}\" not found in {} repository", name, version, repository);
  }
  return {};
}

Json read_values(const GuestCall& call, const ParsedArgv& arguments, std::string& problem) {
  Json values = Json::object();
  const auto files = arguments.flags.find("values");
  if (files == arguments.flags.end()) return values;
  for (const std::string& path : files->second) {
    const auto file = call.disk.files.find(path);
    if (file == call.disk.files.end()) {
      problem = fmt::format("open {}: no such file or directory", path);
      return values;
    }
    for (const Json& document : read_yaml_documents(file->second.content, problem)) merge(values, document);
    if (!problem.empty())
      problem = fmt::format("failed to parse {}: error converting YAML to JSON: {}", path, problem);
  }
  return values;
}

CommandResult helm_upgrade(GuestCall& call, SimCluster& cluster, const ParsedArgv& arguments) {
  if (arguments.words.size() != 3)
    return helm_fails(
        fmt::format("\"helm upgrade\" requires 2 arguments\n\nUsage:  helm upgrade [RELEASE] [CHART] [flags]"));
  const std::string name = arguments.words[1];
  const std::string in = namespace_of(arguments);
  Json* release = find_release(cluster, arguments, name);
  // An uninstallation that was cut short leaves nothing that is deployed, and a release all the same.
  const bool is_going = release != nullptr && string_at(*release, "/status") == "uninstalling";
  if (is_going || (release == nullptr && !arguments.has("install")))
    return helm_fails(fmt::format("UPGRADE FAILED: \"{}\" has no deployed releases", name));
  if (release != nullptr && string_at(*release, "/status").rfind("pending", 0) == 0) {
    return helm_fails("UPGRADE FAILED: another operation (install/upgrade/rollback) is in progress");
  }
  std::string problem = chart_problem(arguments.words[2], arguments);
  if (!problem.empty()) return helm_fails(problem);
  const Json values = read_values(call, arguments, problem);
  if (!problem.empty()) return helm_fails(problem);
  if (!cluster.namespaces().contains(in)) {
    if (!arguments.has("create-namespace"))
      return helm_fails(fmt::format("create: failed to create: namespaces \"{}\" not found", in));
    cluster.namespaces()[in] = {{"labels", {{"kubernetes.io/metadata.name", in}, {"name", in}}}};
  }
  const bool is_new = release == nullptr;
  const std::int64_t revision = is_new ? 1 : int_at(*release, "/revision") + 1;
  const Json previous =
      is_new ? Json() : Json{{"version", release->at("version")}, {"values", release->at("values")}};
  cluster.releases()[in + "/" + name] = {{"name", name},
                                         {"namespace", in},
                                         {"chart", arguments.words[2].substr(arguments.words[2].rfind('/') + 1)},
                                         {"version", arguments.value("version", "v26.3.2")},
                                         {"values", values},
                                         {"revision", revision},
                                         {"status", "deployed"},
                                         {"updated", call.world.now()},
                                         {"previous", previous}};
  Json& crds = cluster.state()["crds"];
  for (const std::string& crd : operator_crd_names(arguments.value("version", "v26.3.2"))) {
    if (std::find(crds.begin(), crds.end(), crd) == crds.end()) crds.push_back(crd);
  }
  return succeeds(fmt::format("{}NAME: {}\nLAST DEPLOYED: {}\nNAMESPACE: {}\nSTATUS: deployed\nREVISION: {}\n",
                              is_new ? fmt::format("Release \"{}\" does not exist. Installing it now.\n", name)
                                     : fmt::format("Release \"{}\" has been upgraded. Happy Helming!\n", name),
                              name, api_time(call.world.now()), in, revision));
}

CommandResult helm_list(GuestCall&, SimCluster& cluster, const ParsedArgv& arguments) {
  Json out = Json::array();
  std::string lines = "NAME\tNAMESPACE\tREVISION\tSTATUS\tCHART\n";
  for (const auto& [key, release] : cluster.releases().items()) {
    if (!arguments.has("all-namespaces") && string_at(release, "/namespace") != namespace_of(arguments)) continue;
    const std::string chart = string_at(release, "/chart") + "-" + string_at(release, "/version");
    out.push_back({{"name", string_at(release, "/name")},
                   {"namespace", string_at(release, "/namespace")},
                   {"revision", std::to_string(int_at(release, "/revision"))},
                   {"updated", api_time(int_at(release, "/updated"))},
                   {"status", string_at(release, "/status")},
                   {"chart", chart},
                   {"app_version", string_at(release, "/version")}});
    lines += fmt::format("{}\t{}\t{}\t{}\t{}\n", string_at(release, "/name"), string_at(release, "/namespace"),
                         int_at(release, "/revision"), string_at(release, "/status"), chart);
  }
  return succeeds(arguments.value("output") == "json" ? out.dump() + "\n" : lines);
}

CommandResult helm_get(GuestCall&, SimCluster& cluster, const ParsedArgv& arguments) {
  const std::string what = arguments.words.size() > 1 ? arguments.words[1] : "";
  if (what != "values") return helm_fails(fmt::format("unknown command \"{}\" for \"helm get\"", what));
  if (arguments.words.size() != 3) return helm_fails("\"helm get values\" requires 1 argument");
  if (arguments.value("output") != "json") return helm_fails("the simulated helm prints --output json only");
  const Json* release = find_release(cluster, arguments, arguments.words[2]);
  if (release == nullptr) return helm_fails("release: not found");
  const Json& values = release->at("values");
  return succeeds((values.empty() ? Json() : values).dump() + "\n");  // Helm prints null for none
}

// The present revision, behind the one before it.
CommandResult helm_history(GuestCall&, SimCluster& cluster, const ParsedArgv& arguments) {
  if (arguments.words.size() != 2) return helm_fails("\"helm history\" requires 1 argument");
  if (arguments.value("output") != "json") return helm_fails("the simulated helm prints --output json only");
  const Json* release = find_release(cluster, arguments, arguments.words[1]);
  if (release == nullptr) return helm_fails("release: not found");
  const auto entry = [&](std::int64_t revision, const std::string& version, const std::string& status) {
    return Json{{"revision", revision},   {"updated", api_time(int_at(*release, "/updated"))},
                {"status", status},       {"chart", string_at(*release, "/chart") + "-" + version},
                {"app_version", version}, {"description", ""}};
  };
  Json out = Json::array();
  const std::int64_t revision = int_at(*release, "/revision");
  const Json& previous = member_at(*release, "/previous");
  if (!previous.is_null()) {
    const bool is_under_way = string_at(*release, "/status").rfind("pending", 0) == 0;
    out.push_back(entry(revision - 1, string_at(previous, "/version"), is_under_way ? "deployed" : "superseded"));
  }
  out.push_back(entry(revision, string_at(*release, "/version"), string_at(*release, "/status")));
  return succeeds(out.dump() + "\n");
}

CommandResult helm_uninstall(GuestCall&, SimCluster& cluster, const ParsedArgv& arguments) {
  if (arguments.words.size() != 2) return helm_fails("\"helm uninstall\" requires at least 1 argument");
  const std::string name = arguments.words[1];
  if (cluster.releases().erase(namespace_of(arguments) + "/" + name) == 0 && !arguments.has("ignore-not-found")) {
    return helm_fails(fmt::format("uninstall: Release not loaded: {}: release: not found", name));
  }
  return succeeds(fmt::format("release \"{}\" uninstalled\n", name));  // CRDs stay, as with the real one
}

// To the revision before the last; the only one that is kept.
CommandResult helm_rollback(GuestCall& call, SimCluster& cluster, const ParsedArgv& arguments) {
  if (arguments.words.size() != 2) return helm_fails("the simulated helm rolls back to the previous revision only");
  Json* release = find_release(cluster, arguments, arguments.words[1]);
  if (release == nullptr) return helm_fails("release: not found");
  if (member_at(*release, "/previous").is_null()) return helm_fails("release has no 0 version");
  const Json previous = release->at("previous");
  (*release)["version"] = previous.at("version");
  (*release)["values"] = previous.at("values");
  (*release)["status"] = "deployed";
  (*release)["revision"] = int_at(*release, "/revision") + 1;
  (*release)["updated"] = call.world.now();
  return succeeds("Rollback was a success! Happy Helming!\n");
}

CommandResult helm_version(GuestCall&, SimCluster&, const ParsedArgv&) { return succeeds("v4.2.2+gsimulated\n"); }

struct HelmSubcommand {
  bool changes = false;
  std::vector<Flag> flags;
  CommandResult (*run)(GuestCall&, SimCluster&, const ParsedArgv&);
};

const std::map<std::string, HelmSubcommand>& helm_subcommands() {
  static const std::map<std::string, HelmSubcommand> all = {
      {"upgrade",
       {true,
        {{"install", 'i', false},
         {"repo"},
         {"version"},
         {"values", 'f'},
         {"create-namespace", '\0', false},
         {"wait", '\0', false},
         {"timeout"},
         {"history-max"},
         {"reset-values", '\0', false}},
        helm_upgrade}},
      {"list", {false, {{"output", 'o'}, {"all-namespaces", 'A', false}, {"all", 'a', false}}, helm_list}},
      {"get", {false, {{"output", 'o'}, {"revision"}}, helm_get}},
      {"history", {false, {{"output", 'o'}, {"max"}}, helm_history}},
      {"uninstall", {true, {{"wait", '\0', false}, {"timeout"}, {"ignore-not-found", '\0', false}}, helm_uninstall}},
      {"rollback", {true, {{"wait", '\0', false}, {"timeout"}}, helm_rollback}},
      {"version", {false, {{"short", '\0', false}, {"template"}}, helm_version}}};
  return all;
}

}  // namespace

CommandResult run_helm(GuestCall& call) {
  const std::vector<Flag> global = {{"kubeconfig"}, {"namespace", 'n'}, {"debug", '\0', false}};
  // Helm's global flags may stand before the subcommand.
  std::size_t at = 1;
  while (at < call.argv().size() && call.word(at).rfind('-', 0) == 0)
    at += call.word(at).find('=') == std::string::npos ? 2 : 1;
  const std::string name = call.word(at);
  const auto subcommand = helm_subcommands().find(name);
  if (subcommand == helm_subcommands().end())
    return helm_fails(fmt::format("unknown command \"{}\" for \"helm\"\nRun 'helm --help' for usage.", name));
  std::vector<Flag> flags = subcommand->second.flags;
  flags.insert(flags.end(), global.begin(), global.end());
  const ParsedArgv arguments = parse_argv(call.argv(), 1, flags);
  if (!arguments.error.empty()) return helm_fails(arguments.error);
  if (subcommand->second.changes) call.changes();
  if (name == "version") return succeeds("v4.2.2+gsimulated\n");
  if (const auto problem = cluster_problem(call, arguments.value("kubeconfig"))) {
    return helm_fails("Kubernetes cluster unreachable: " + *problem);
  }
  SimCluster cluster(call.disk, call.world);
  return subcommand->second.run(call, cluster, arguments);
}

}  // namespace gpuplan::sim
