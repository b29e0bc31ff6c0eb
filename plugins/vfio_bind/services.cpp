#include "services.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <set>
#include <sstream>

#include "host/pci/nvidia/fabric.h"
#include "host/pci/nvidia/smi.h"

namespace gpuplan::vfio_bind {
namespace {

constexpr std::chrono::seconds service_limit{120};

bool ends_with(const std::string& text, std::string_view ending) {
  return text.size() >= ending.size() && text.compare(text.size() - ending.size(), ending.size(), ending) == 0;
}

// Whose turn it is to run `systemctl start UNIT`: the GPUs that it had open when it was stopped.
struct StoppedService {
  std::string unit;
  std::set<Bdf> gpus;
};

std::string record_path(const std::string& unit) { return fmt::format("{}/{}", stopped_services_path, unit); }

StoppedService read_record(const std::string& unit, FileReader& files) {
  StoppedService record{unit, {}};
  std::istringstream lines(read_trimmed(files, record_path(unit)).value_or(""));
  for (std::string line; std::getline(lines, line);) {
    if (const auto gpu = parse_bdf(line)) record.gpus.insert(*gpu);
  }
  return record;
}

void write_record(const StoppedService& record, FileSystem& files) {
  std::string text;
  for (const Bdf& gpu : record.gpus) text += gpu.to_string() + "\n";
  files.make_directory(stopped_services_path, 0700);
  files.put_file(record_path(record.unit), text, 0600);
}

void remove_if_empty(FileSystem& files, const std::string& directory) {
  if (files.kind(directory) == FileKind::directory && files.list(directory).empty()) files.remove_directory(directory);
}

std::vector<std::string> recorded_units(FileReader& files) {
  if (files.kind(stopped_services_path) == FileKind::none) return {};
  return files.list(stopped_services_path);
}

bool has_host_driver(FileReader& files, const Bdf& gpu) {
  const auto function = read_pci_function(files, gpu);
  return !function || (!function->driver.empty() && function->driver != "vfio-pci");
}

// Every GPU that a unit's processes have open.
std::set<Bdf> gpus_held_by(const std::string& unit, FileReader& files) {
  std::set<Bdf> gpus;
  std::vector<std::string> unreadable;
  for (const PciFunction& function : read_pci_functions(files)) {
    if (!function.is_gpu()) continue;
    for (const DeviceHolder& holder : read_holders(files, function, unreadable)) {
      if (holder.unit == unit) gpus.insert(function.address);
    }
  }
  return gpus;
}

Command command(std::vector<std::string> argv, std::chrono::seconds limit) {
  Command result;
  result.argv = std::move(argv);
  result.limit = limit;
  return result;
}

}  // namespace

std::string unit_name(const std::string& name) {
  for (const char* type : {".service", ".scope", ".socket", ".target", ".timer"}) {
    if (ends_with(name, type)) return name;
  }
  return name + ".service";
}

bool is_service(const std::string& unit) { return ends_with(unit, ".service"); }

std::vector<std::string> stoppable_services(const Spec& spec) {
  std::vector<std::string> units;
  for (const std::string& name : spec.host.stop_services) {
    const std::string unit = unit_name(name);
    if (is_service(unit) && !is_fabric_manager(unit)) units.push_back(unit);
  }
  return units;
}

bool may_be_stopped(const std::string& unit, const Spec& spec) {
  const std::vector<std::string> units = stoppable_services(spec);
  return std::find(units.begin(), units.end(), unit) != units.end();
}

std::string describe(const DeviceHolder& holder) {
  const std::string name = holder.command.empty() ? "a process" : holder.command;
  if (holder.unit.empty()) return fmt::format("{} (pid {})", name, holder.pid);
  const bool is_container = holder.unit.rfind("container ", 0) == 0;
  return fmt::format("{} (pid {}, {}{})", name, holder.pid, is_container ? "" : "unit ", holder.unit);
}

void SharedServices::stop_holders(const PciFunction& function, Host& host, StepContext& context) {
  const std::lock_guard<std::mutex> lock(mutex_);
  std::vector<std::string> unreadable;
  std::set<std::string> units;
  for (const DeviceHolder& holder : read_holders(host.files(), function, unreadable)) {
    if (may_be_stopped(holder.unit, context.spec())) units.insert(holder.unit);
  }
  for (const std::string& unit : units) {
    StoppedService record = read_record(unit, host.files());
    record.gpus.merge(gpus_held_by(unit, host.files()));
    record.gpus.insert(function.address);
    write_record(record, host.files());
    context.progress("stopping " + unit);
    const Command stop = command({"systemctl", "stop", unit}, service_limit);
    require_success(stop, host.run(stop));
  }
}

void SharedServices::start_waiting(const Bdf& gpu, Host& host, StepContext& context) {
  const std::lock_guard<std::mutex> lock(mutex_);
  for (const std::string& unit : recorded_units(host.files())) {
    const StoppedService record = read_record(unit, host.files());
    if (record.gpus.count(gpu) == 0) continue;
    StoppedService left{unit, {}};
    bool others_follow = false;
    for (const Bdf& other : record.gpus) {
      if (has_host_driver(host.files(), other)) continue;
      left.gpus.insert(other);
      others_follow = others_follow || context.is_withdrawn(Address("vfio-bind", other.to_string()));
    }
    if (others_follow) continue;
    // Whoever started it in the meantime could not open the GPUs that were away.
    const bool active = host.query(command({"systemctl", "is-active", unit}, service_limit)).ok();
    context.progress("starting " + unit);
    const Command start = command({"systemctl", active ? "restart" : "start", unit}, service_limit);
    require_success(start, host.run(start));
    if (left.gpus.empty()) host.files().remove_file(record_path(unit));
    else write_record(left, host.files());
  }
  // Both, whichever is left: a run may have been killed between the two.
  for (const char* directory : {stopped_services_path, "/run/gpuplan"}) remove_if_empty(host.files(), directory);
}

void SharedServices::set_persistence(const PciFunction& gpu, bool on, Host& host, StepContext& context) {
  const std::optional<Command> set = persistence_command(gpu, on);
  if (!set) return;
  const std::lock_guard<std::mutex> lock(mutex_);
  context.progress(fmt::format("persistence mode {}", on ? "on" : "off"));
  try {
    require_success(*set, host.run(*set));
  } catch (const HostError& error) {
    if (error.kind() != HostError::Kind::not_found) throw;
    context.log(error.what());
  }
}

void SharedServices::note_module(const Bdf& gpu, std::int64_t module, Host& host) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const std::string text = fmt::format("{}", module);
  if (read_trimmed(host.files(), gpu_module_path(gpu)) == text) return;
  host.files().make_directory(gpu_modules_path, 0700);
  host.files().put_file(gpu_module_path(gpu), text + "\n", 0600);
}

void SharedServices::forget_module(const Bdf& gpu, Host& host) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (host.files().kind(gpu_module_path(gpu)) != FileKind::none) host.files().remove_file(gpu_module_path(gpu));
  remove_if_empty(host.files(), gpu_modules_path);
}

}  // namespace gpuplan::vfio_bind
