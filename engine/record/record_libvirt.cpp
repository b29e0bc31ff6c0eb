#include <fmt/format.h>

#include <algorithm>
#include <sstream>

#include "digest/digest.h"
#include "host/free_space.h"
#include "host/routes.h"
#include "host/xml/domain_xml.h"
#include "record/record_parts.h"
#include "report/diagnostic.h"

namespace gpuplan {
namespace {

constexpr std::int64_t gib = 1 << 30;
constexpr const char* pools[] = {"default", "gpuplan"};
constexpr const char* documentation_gateway = "192.0.2.1";  // RFC 5737

// Of a VM that others made, only what it takes from the host.
DomainDefinition public_definition(const DomainDefinition& definition, const std::string& name) {
  DomainDefinition kept = definition;
  if (definition.owner.cluster.empty()) {
    kept = {};
    kept.owner = definition.owner;
    kept.type = definition.type;
    kept.memory_mib = definition.memory_mib;
    kept.cpus = definition.cpus;
    kept.hugepages = definition.hugepages;
    kept.numa_node = definition.numa_node;
    kept.devices = definition.devices;
  }
  kept.name = name;
  kept.uuid = uuid_of_word("domain " + name);
  return kept;
}

void record_domains(const Inventory& inventory, sim::Model& model) {
  for (const DomainState& state : inventory.domains) {
    const auto definition = parse_domain(state.xml);
    if (!definition) continue;
    sim::Domain domain;
    domain.name = printable(state.name);
    domain.uuid = uuid_of_word("domain " + domain.name);
    domain.xml = render_domain(public_definition(*definition, domain.name));
    domain.power = state.power;
    domain.autostart = state.autostart;
    if (state.power == PowerState::running) domain.running_xml = domain.xml;
    model.domains.push_back(std::move(domain));
  }
}

// The name of the bridge in a network document; empty if it does not say.
std::string bridge_in(const std::string& xml) {
  const std::size_t element = xml.find("<bridge");
  const std::size_t name = element == std::string::npos ? element : xml.find("name=", element);
  if (name == std::string::npos || name + 6 >= xml.size()) return {};
  const std::size_t end = xml.find(xml[name + 5], name + 6);
  return end == std::string::npos ? "" : printable(xml.substr(name + 6, end - name - 6));
}

void record_networks(HostReader& host, sim::Model& model) {
  for (const NetworkState& state : host.hypervisor().networks()) {
    auto definition = parse_network(state.xml);
    if (!definition) continue;
    sim::Network network;
    network.name = printable(state.name);
    network.uuid = uuid_of_word("network " + network.name);
    network.bridge = bridge_in(state.xml);
    network.active = state.active;
    network.autostart = state.autostart;
    definition->name = network.name;
    definition->uuid = network.uuid;
    // Whose MAC addresses and names these are is nobody's business, unless they are this program's own.
    if (definition->owner.cluster.empty()) definition->reservations.clear();
    network.xml = render_network(*definition);
    const std::size_t end = network.xml.rfind("</network>");
    const bool is_plain = network.bridge.find_first_of("<>&'\"") == std::string::npos;
    if (!network.bridge.empty() && is_plain && end != std::string::npos) {
      network.xml.insert(end, fmt::format("  <bridge name='{}'/>\n", network.bridge));
    }
    model.networks.push_back(std::move(network));
  }
}

void record_pools(HostReader& host, sim::Model& model) {
  // What a pool says of itself, below, counts more.
  if (const auto bytes = free_bytes_for(StorageSpec().path, host)) model.storage_free_gib = std::min<std::int64_t>(*bytes / gib, 1 << 24);
  for (const char* name : pools) {
    const auto state = host.hypervisor().pool(name);
    if (!state) continue;
    sim::Pool pool;
    pool.name = name;
    pool.path = printable(state->path);
    pool.active = state->active;
    // A model has one file system for all of them; the cluster's own counts most.
    if (state->capacity_bytes > 0) {
      model.storage_capacity_gib = std::min<std::int64_t>(state->capacity_bytes / gib, 1 << 24);
      model.storage_free_gib = std::min<std::int64_t>(state->available_bytes / gib, 1 << 24);
    }
    // What lies in other pools is other people's.
    for (const VolumeState& volume : state->active && pool.name == StorageSpec().pool ? host.hypervisor().volumes(name)
                                                                                      : std::vector<VolumeState>{}) {
      sim::Volume copy;
      copy.name = printable(volume.name);
      copy.capacity = volume.capacity_bytes;
      copy.backing = printable(volume.backing_path);
      copy.format = volume.format == "raw" || volume.format == "iso" ? volume.format : "qcow2";
      pool.volumes.push_back(std::move(copy));
    }
    model.pools.push_back(std::move(pool));
  }
}

// RFC 1918, RFC 6598 and link-local: addresses that lead nobody to this machine.
bool is_private(const Ipv4Range& range) {
  for (const char* text : {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16"}) {
    const auto known = parse_ipv4_range(text);
    if (known && range.prefix >= known->prefix && known->contains(range.base)) return true;
  }
  return range.prefix == 0;
}

}  // namespace

std::string uuid_of_word(const std::string& word) {
  const std::string hex = sha256_hex("gpuplan record\n" + word);
  return fmt::format("{}-{}-4{}-8{}-{}", hex.substr(0, 8), hex.substr(8, 4), hex.substr(12, 3), hex.substr(15, 3),
                     hex.substr(18, 12));
}

void record_libvirt(HostReader& host, const Inventory& inventory, sim::Model& model) {
  model.libvirt_reachable = inventory.libvirt_answers;
  if (!inventory.libvirt_answers) return;
  record_domains(inventory, model);
  record_networks(host, model);
  record_pools(host, model);
}

void record_network_and_mounts(HostReader& host, const Inventory& inventory, sim::Model& model) {
  const auto interfaces = public_interface_names(inventory);
  for (const HostRoute& route : parse_routes(read_trimmed(host.files(), "/proc/net/route").value_or(""))) {
    if (!is_private(route.range)) continue;
    const auto known = interfaces.find(printable(route.interface));
    sim::Route copy;
    copy.interface = known == interfaces.end() ? printable(route.interface) : known->second;
    copy.destination = route.range.to_string();
    if (route.gateway != 0) copy.gateway = documentation_gateway;
    model.routes.push_back(std::move(copy));
  }
  std::istringstream lines(read_trimmed(host.files(), "/proc/mounts").value_or(""));
  for (std::string line; std::getline(lines, line);) {
    std::istringstream columns(line);
    sim::Mount mount;
    if (!(columns >> mount.device >> mount.path >> mount.type)) continue;
    const bool is_recorded = std::any_of(model.devices.begin(), model.devices.end(), [&](const sim::Device& device) {
      return std::any_of(device.block.begin(), device.block.end(),
                         [&](const std::string& disk) { return mount.device == "/dev/" + disk; });
    });
    if (!is_recorded) continue;
    mount.path = printable(mount.path);
    mount.type = printable(mount.type);
    model.mounts.push_back(std::move(mount));
  }
}

}  // namespace gpuplan
