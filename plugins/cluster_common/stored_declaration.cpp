#include "cluster_common/stored_declaration.h"

#include <fmt/format.h>

namespace gpuplan::cluster {

GuestTarget control_plane_of(const Attributes& declared) {
  GuestTarget target;
  target.node = declared.text("control_plane");
  target.address = declared.text("control_plane_address");
  return target;
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
