#include "support/model_essence.h"

#include <algorithm>
#include <set>
#include <sstream>
#include <stdexcept>

#include "host/sim/model_yaml.h"
#include "yaml/parse.h"

using namespace gpuplan;

sim::Model model_in(const std::string& path) {
  Diagnostics diagnostics;
  const auto file = read_source_file(path, diagnostics);
  if (!file) throw std::runtime_error("unreadable: " + path);
  std::optional<sim::Model> model = sim::decode_model(parse_yaml(file, diagnostics), diagnostics);
  if (!model) throw std::runtime_error("not a model: " + path);
  return std::move(*model);
}

std::string model_essence(const std::string& path) {
  sim::Model model = model_in(path);
  model.time = 0;
  model.source.reset();
  for (auto* modules : {&model.modules_loaded, &model.modules_available}) {
    std::erase_if(*modules, [](const std::string& module) { return module.rfind("vfio", 0) == 0; });
  }
  // libvirt lists what it has in no order that counts; since when a VM runs is no state either.
  const auto by_name = [](const auto& a, const auto& b) { return a.name < b.name; };
  std::sort(model.domains.begin(), model.domains.end(), by_name);
  std::sort(model.networks.begin(), model.networks.end(), by_name);
  std::sort(model.pools.begin(), model.pools.end(), by_name);
  for (sim::Pool& pool : model.pools) std::sort(pool.volumes.begin(), pool.volumes.end(), by_name);
  for (sim::Domain& domain : model.domains) domain.started_at = 0;
  // A directory is there whether somebody made it by name or with what is in it.
  std::set<std::string> directories;
  for (std::string made : model.directories) {
    for (; made.size() > 1; made.resize(made.rfind('/'))) directories.insert(made);
  }
  model.directories = {directories.begin(), directories.end()};
  // A machine keeps what was installed on it.
  for (sim::Machine& machine : model.machines) {
    machine.node.clear();
    for (const char* installed : {"prepared", "kubeadm_version", "helm_version"}) machine.disk.state.erase(installed);
  }
  return sim::encode_model(model);
}

std::string first_difference(const std::string& before, const std::string& now) {
  std::istringstream then(before), found(now);
  std::string a, b;
  for (int line = 1;; ++line) {
    const bool more_a = static_cast<bool>(std::getline(then, a)), more_b = static_cast<bool>(std::getline(found, b));
    if (!more_a && !more_b) return "";
    if (!more_a || !more_b || a != b) return "line " + std::to_string(line) + ": " + a + " | " + b;
  }
}
