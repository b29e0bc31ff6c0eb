#include "host/guest_target.h"

#include <fmt/format.h>

#include <cstdlib>
#include <sstream>

namespace gpuplan {
namespace {

GuestTarget make_target(const std::string& node, const std::string& address, const std::optional<MachineSpec>& machine) {
  GuestTarget out;
  out.node = node;
  out.address = address;
  if (!machine) return out;
  out.user = machine->user;
  out.port = static_cast<std::uint16_t>(machine->port);
  out.identity = machine->identity;
  out.host_key = machine->host_key;
  out.ssh_host = machine->host;
  return out;
}

}  // namespace

GuestTarget target_of(const ControlPlaneSpec& control_plane) {
  return make_target(control_plane.name, control_plane.address, control_plane.machine);
}

GuestTarget target_of(const WorkerSpec& worker) { return make_target(worker.name, worker.address, worker.machine); }

std::string login_text(const MachineSpec& machine) {
  return fmt::format("{}@{}:{} {} {}", machine.user, machine.host, machine.port, machine.host_key, machine.identity);
}

GuestTarget target_from(const std::string& node, const std::string& address, const std::string& login) {
  std::istringstream words(login);
  std::string place, key_type, key, identity;
  if (!(words >> place >> key_type >> key >> identity)) return make_target(node, address, std::nullopt);
  const std::size_t at = place.find('@');
  const std::size_t colon = place.rfind(':');
  MachineSpec machine;
  machine.user = place.substr(0, at);
  machine.host = place.substr(at + 1, colon - at - 1);
  machine.port = std::atoi(place.substr(colon + 1).c_str());
  machine.identity = identity;
  machine.host_key = key_type + " " + key;
  return make_target(node, address, machine);
}

}  // namespace gpuplan
