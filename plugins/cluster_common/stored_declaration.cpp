#include "cluster_common/stored_declaration.h"

#include <fmt/format.h>

#include "host/guest_target.h"

namespace gpuplan::cluster {

GuestTarget control_plane_of(const Attributes& declared) {
  return target_from(declared.text("control_plane"), declared.text("control_plane_address"), declared.text("control_plane_login"));
}

void declare_control_plane(Attributes& declared, const ControlPlaneSpec& control_plane) {
  declared.set("control_plane", control_plane.name);
  declared.set("control_plane_address", control_plane.address);
  if (control_plane.machine) declared.set("control_plane_login", login_text(*control_plane.machine));
}

void observe_what_was_told(Observation& observed, const Resource& resource, const Prior& prior) {
  const Attributes& told = prior.owned && !prior.declared.empty() ? prior.declared : resource.declared;
  for (const char* name : {"login", "control_plane_login", "cni_manifest", "chart_repository"}) {
    if (const Value* value = told.find(name)) {
      observed.attributes.set(name, *value);
      observed.read_from[name] = "the last apply";
    }
  }
}

Observation assumed_as_declared(const Attributes& declared, const std::string& why) {
  Observation observed;
  observed.exists = true;
  observed.attributes = declared;
  for (const auto& [name, value] : declared) observed.read_from[name] = fmt::format("the last apply, as {}", why);
  observed.unreadable.push_back(fmt::format("{}; it is taken to be as the last apply left it", why));
  return observed;
}

}  // namespace gpuplan::cluster
