#include <fmt/format.h>

#include <algorithm>

#include "host/sim/errors.h"
#include "host/sim/hypervisor.h"
#include "host/xml/domain_xml.h"
#include "spec/network_range.h"

namespace gpuplan::sim {
namespace {

NetworkState state_of(const Network& network) {
  return {network.name, network.uuid, network.active, network.autostart, network.xml};
}

std::optional<Ipv4Range> range_of(const NetworkDefinition& definition) {
  const auto address = parse_ipv4(definition.address);
  const auto mask = parse_ipv4(definition.netmask);
  if (!address || !mask) return std::nullopt;
  Ipv4Range range;
  range.base = *address & *mask;
  range.prefix = 0;
  for (std::uint32_t bits = *mask; bits != 0; bits <<= 1U) ++range.prefix;
  return range;
}

std::string free_bridge_name(const Model& model) {
  for (int number = 0;; ++number) {
    const std::string name = fmt::format("virbr{}", number);
    const bool taken = std::any_of(model.networks.begin(), model.networks.end(),
                                   [&](const Network& network) { return network.bridge == name; });
    if (!taken) return name;
  }
}

void remove_routes(Model& model, const std::string& interface) {
  auto& routes = model.routes;
  routes.erase(std::remove_if(routes.begin(), routes.end(), [&](const Route& route) { return route.interface == interface; }),
               routes.end());
}

// libvirt's networkCheckRouteCollision.
void check_collision(const Model& model, const Network& network, const Ipv4Range& range) {
  for (const Route& route : model.routes) {
    const auto other = parse_ipv4_range(route.destination);
    if (!other || other->prefix == 0 || !range.overlaps(*other)) continue;
    throw libvirt_error(HostError::Kind::refused, "start", "network " + network.name,
                        fmt::format("network is already in use by interface {}", route.interface));
  }
}

}  // namespace

std::vector<NetworkState> SimHypervisor::networks() {
  return simulation_.look([](Model& model, std::int64_t) {
    require_libvirt(model);
    std::vector<NetworkState> states;
    for (const Network& network : model.networks) states.push_back(state_of(network));
    return states;
  });
}

std::optional<NetworkState> SimHypervisor::network(const std::string& name) {
  return simulation_.look([&](Model& model, std::int64_t) -> std::optional<NetworkState> {
    require_libvirt(model);
    const Network* network = model.network(name);
    if (network == nullptr) return std::nullopt;
    return state_of(*network);
  });
}

void SimHypervisor::define_network(const std::string& xml) {
  simulation_.change([&](Model& model, std::int64_t) {
    require_libvirt(model);
    const auto definition = parse_network(xml);
    if (!definition || definition->name.empty()) {
      throw HostError(HostError::Kind::refused, "network", "cannot define a network: the document is not a <network> with a name");
    }
    std::string uuid = definition->uuid;
    if (Network* present = model.network(definition->name)) {
      if (uuid != present->uuid) {
        throw libvirt_error(HostError::Kind::refused, "define", "network " + present->name,
                            fmt::format("network '{}' already exists with uuid {}", present->name, present->uuid));
      }
      present->xml = xml;
      return;
    }
    Network network;
    network.name = definition->name;
    network.xml = with_uuid(model, xml, "network", network.name, uuid);
    network.uuid = uuid;
    network.bridge = free_bridge_name(model);
    model.networks.push_back(std::move(network));
  });
}

void SimHypervisor::start_network(const std::string& name) {
  simulation_.change([&](Model& model, std::int64_t) {
    require_libvirt(model);
    Network* network = model.network(name);
    if (network == nullptr) {
      throw libvirt_error(HostError::Kind::not_found, "start", "network " + name, "there is no network with that name");
    }
    if (!network->active) {
      const auto definition = parse_network(network->xml);
      const auto range = definition ? range_of(*definition) : std::nullopt;
      if (range) {
        check_collision(model, *network, *range);
        model.routes.push_back({network->bridge, range->to_string(), ""});
      }
    }
    network->active = true;
    network->autostart = true;
  });
}

void SimHypervisor::remove_network(const std::string& name) {
  simulation_.change([&](Model& model, std::int64_t) {
    require_libvirt(model);
    const Network* network = model.network(name);
    if (network == nullptr) return;
    remove_routes(model, network->bridge);
    model.networks.erase(model.networks.begin() + (network - model.networks.data()));
  });
}

}  // namespace gpuplan::sim
