#include "saved_state.h"

#include <fmt/format.h>

#include <algorithm>

#include "boot_binding.h"
#include "host/pci/nvidia/fabric.h"
#include "host/pci/nvidia/smi.h"
#include "services.h"

namespace gpuplan::vfio_bind {

std::string power_control_of(const Bdf& address) { return sysfs_device(address) + "/power/control"; }

Json to_json(const SavedState& state) {
  Json functions = Json::array();
  for (const SavedFunction& function : state.functions) {
    functions.push_back({{"address", function.address.to_string()},
                         {"driver", function.driver},
                         {"driver_override", function.driver_override},
                         {"power_control", function.power_control}});
  }
  Json json = {{"functions", std::move(functions)}, {"persistence", state.persistence},
               {"bound_at_boot", state.bound_at_boot}};
  if (state.module) json["module"] = *state.module;
  return json;
}

SavedState saved_state_from_json(const Json& json) {
  SavedState state;
  for (const Json& item : member_at(json, "/functions")) {
    const auto address = parse_bdf(string_at(item, "/address"));
    if (!address) continue;
    state.functions.push_back(
        {*address, string_at(item, "/driver"), string_at(item, "/driver_override"), string_at(item, "/power_control")});
  }
  state.persistence = bool_at(json, "/persistence");
  state.bound_at_boot = bool_at(json, "/bound_at_boot");
  if (member_at(json, "/module").is_number_integer()) state.module = int_at(json, "/module");
  return state;
}

SavedState read_state(const Bdf& gpu, HostReader& host) {
  SavedState state;
  const std::vector<PciFunction> functions = read_slot_functions(host.files(), gpu);
  state.bound_at_boot = is_bound_at_boot(functions, host);
  for (const PciFunction& function : functions) {
    state.functions.push_back({function.address, function.driver, function.driver_override,
                               read_trimmed(host.files(), power_control_of(function.address)).value_or("")});
    if (function.address == gpu) state.persistence = persistence_is_on(function, host);
  }
  if (shares_fabric(host.files())) state.module = read_gpu_module(host, gpu);
  return state;
}

std::string driver_text(const std::vector<PciFunction>& functions) {
  const auto on_vfio = [](const PciFunction& function) { return function.driver == "vfio-pci"; };
  if (!functions.empty() && std::all_of(functions.begin(), functions.end(), on_vfio)) return "vfio-pci";
  std::string text;
  for (const PciFunction& function : functions) {
    if (!text.empty()) text += ", ";
    text += function.driver.empty() ? "none" : function.driver;
    if (!function.driver_override.empty() && function.driver_override != function.driver) {
      text += fmt::format(" (driver_override {})", function.driver_override);
    }
  }
  return text;
}

}  // namespace gpuplan::vfio_bind
