#include <fmt/format.h>

#include <algorithm>

#include "host/sim/host_commands.h"

namespace gpuplan::sim {
namespace {

bool is_suffixed(const std::string& unit) { return unit.find('.') != std::string::npos; }

bool has_file(const Model& model, const std::string& unit) {
  return model.files.count("/etc/systemd/system/" + unit) > 0 || model.files.count("/usr/lib/systemd/system/" + unit) > 0;
}

// The unit's state; a unit file that somebody has put there is a unit too.
const Service* find_service(const Model& model, const std::string& unit) {
  static const Service inactive;
  const auto found = model.services.find(unit);
  if (found != model.services.end()) return &found->second;
  return has_file(model, unit) ? &inactive : nullptr;
}

// An entry that says no more than the unit's file would keep the model from being as before.
void forget_if_idle(Model& model, const std::string& unit) {
  const auto found = model.services.find(unit);
  if (found == model.services.end() || !has_file(model, unit)) return;
  if (!found->second.active && !found->second.enabled && found->second.description.empty()) model.services.erase(found);
}

void start(Model& model, const std::string& unit) {
  Service& service = model.services[unit];
  if (service.active) return;
  service.active = true;
  for (Process& process : model.processes) {
    if (process.unit != unit) continue;
    process.files.clear();
    for (const std::string& path : process.opens) {
      const bool locked = std::any_of(model.devices.begin(), model.devices.end(), [&](const Device& device) {
        return device.unbind_lock && device_file_of(device) == path;
      });
      if (!locked && device_file_exists(model, path)) process.files.push_back(path);
    }
  }
}

void stop(Model& model, const std::string& unit) {
  model.services[unit].active = false;
  for (Process& process : model.processes) {
    if (process.unit == unit) process.files.clear();
  }
  forget_if_idle(model, unit);
}

CommandResult is_active(const Model& model, const std::vector<std::string>& units) {
  CommandResult result;
  bool any = false;
  for (const std::string& unit : units) {
    const Service* service = find_service(model, unit);
    const bool active = service != nullptr && service->active;
    any = any || active;
    result.output += active ? "active\n" : "inactive\n";
  }
  result.exit_status = any ? 0 : 3;
  return result;
}

CommandResult is_enabled(const Model& model, const std::vector<std::string>& units) {
  CommandResult result{1, "", ""};
  for (const std::string& unit : units) {
    const Service* service = find_service(model, unit);
    if (service == nullptr) {
      result.errors += fmt::format("Failed to get unit file state for {}: No such file or directory\n", unit);
      continue;
    }
    result.output += service->enabled ? "enabled\n" : "disabled\n";
    if (service->enabled) result.exit_status = 0;
  }
  return result;
}

CommandResult show(const Model& model, const std::vector<std::string>& units, std::vector<std::string> properties,
                   bool value_only) {
  if (properties.empty()) properties = {"Id", "LoadState", "ActiveState", "SubState", "UnitFileState", "MainPID", "Description"};
  CommandResult result;
  for (const std::string& unit : units) {
    if (&unit != &units.front()) result.output += "\n";
    const Service* service = find_service(model, unit);
    const bool active = service != nullptr && service->active;
    std::int64_t pid = 0;
    for (const Process& process : model.processes) {
      if (active && process.unit == unit) pid = process.pid;
    }
    const std::map<std::string, std::string> values = {
        {"Id", unit},
        {"LoadState", service != nullptr ? "loaded" : "not-found"},
        {"ActiveState", active ? "active" : "inactive"},
        {"SubState", active ? (pid != 0 ? "running" : "exited") : "dead"},
        {"UnitFileState", service == nullptr ? "" : service->enabled ? "enabled" : "disabled"},
        {"MainPID", std::to_string(pid)},
        {"Description", service != nullptr && !service->description.empty() ? service->description : unit}};
    for (const std::string& property : properties) {
      const auto found = values.find(property);
      if (found == values.end()) continue;
      result.output += value_only ? found->second + "\n" : fmt::format("{}={}\n", property, found->second);
    }
  }
  return result;
}

CommandResult act(Model& model, const std::string& verb, const std::vector<std::string>& units, const MayChange& change) {
  for (const std::string& unit : units) {
    if (find_service(model, unit) != nullptr) continue;
    const bool stops = verb == "stop";
    if (verb == "enable" || verb == "disable") {
      return {1, "", fmt::format("Failed to {} unit: Unit file {} does not exist.\n", verb, unit)};
    }
    return {5, "", fmt::format("Failed to {} {}: Unit {} not {}.\n", verb, unit, unit, stops ? "loaded" : "found")};
  }
  change();
  for (const std::string& unit : units) {
    if (verb == "stop" || verb == "restart") stop(model, unit);
    if (verb == "start" || verb == "restart") start(model, unit);
    if (verb == "enable") model.services[unit].enabled = true;
    if (verb == "disable") {
      model.services[unit].enabled = false;
      forget_if_idle(model, unit);
    }
  }
  return {};
}

}  // namespace

// systemctl [--no-pager|--quiet|--now] VERB UNIT…; show takes -p NAME[,NAME], --property= and --value.
CommandResult run_systemctl(Model& model, const std::vector<std::string>& argv, const MayChange& change) {
  std::string verb;
  std::vector<std::string> units;
  std::vector<std::string> properties;
  bool value_only = false;
  bool quiet = false;
  bool now = false;
  const auto add_properties = [&](const std::string& list) {
    for (std::size_t at = 0; at <= list.size();) {
      const std::size_t end = std::min(list.find(',', at), list.size());
      properties.push_back(list.substr(at, end - at));
      at = end + 1;
    }
  };
  for (std::size_t i = 1; i < argv.size(); ++i) {
    const std::string& word = argv[i];
    if (word == "-p" && i + 1 < argv.size()) add_properties(argv[++i]);
    else if (word.rfind("--property=", 0) == 0) add_properties(word.substr(11));
    else if (word == "--value") value_only = true;
    else if (word == "--quiet" || word == "-q") quiet = true;
    else if (word == "--now") now = true;
    else if (word[0] == '-') continue;
    else if (verb.empty()) verb = word;
    else units.push_back(is_suffixed(word) ? word : word + ".service");
  }
  CommandResult result;
  if (verb == "is-active") result = is_active(model, units);
  else if (verb == "is-enabled") result = is_enabled(model, units);
  else if (verb == "show") result = show(model, units, properties, value_only);
  else if (verb == "daemon-reload") change();
  else if (verb == "start" || verb == "stop" || verb == "restart" || verb == "enable" || verb == "disable") {
    result = act(model, verb, units, change);
    if (now && result.ok() && verb == "enable") result = act(model, "start", units, change);
    if (now && result.ok() && verb == "disable") result = act(model, "stop", units, change);
  } else {
    return {1, "", fmt::format("Unknown command verb {}.\n", verb)};
  }
  if (quiet) result.output.clear();
  return result;
}

}  // namespace gpuplan::sim
