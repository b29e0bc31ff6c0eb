#include "host/sim/decode_libvirt.h"

#include "host/sim/guest_yaml.h"

namespace gpuplan::sim {
namespace {

constexpr std::int64_t most = std::numeric_limits<std::int64_t>::max();

Volume decode_volume(const YamlNode& node, const std::string& path, Diagnostics& diagnostics) {
  Volume volume;
  MappingDecoder mapping(node, path, diagnostics);
  mapping.string("name", volume.name);
  mapping.integer("capacity", volume.capacity, 0, most);
  mapping.integer("allocation", volume.allocation, 0, most);
  mapping.string("backing", volume.backing);
  mapping.choice("format", volume.format, {"qcow2", "raw", "iso"});
  mapping.string("sha256", volume.sha256);
  if (const YamlNode* guest = mapping.node("guest")) volume.guest = guest_disk_from_json(json_from_yaml(*guest));
  mapping.finish();
  return volume;
}

Pool decode_pool(const YamlNode& node, const std::string& path, Diagnostics& diagnostics) {
  Pool pool;
  MappingDecoder mapping(node, path, diagnostics);
  mapping.string("name", pool.name);
  mapping.string("path", pool.path);
  mapping.boolean("active", pool.active);
  each_item(mapping, "volumes", diagnostics, [&](const YamlNode& item, const std::string& where) {
    pool.volumes.push_back(decode_volume(item, where, diagnostics));
  });
  mapping.finish();
  return pool;
}

Domain decode_domain(const YamlNode& node, const std::string& path, Diagnostics& diagnostics) {
  Domain domain;
  std::string power = "off";
  MappingDecoder mapping(node, path, diagnostics);
  mapping.string("name", domain.name);
  mapping.string("uuid", domain.uuid);
  mapping.string("xml", domain.xml);
  mapping.string("running_xml", domain.running_xml);
  mapping.boolean("persistent", domain.persistent);
  mapping.boolean("autostart", domain.autostart);
  mapping.choice("power", power, {"off", "running", "crashed"});
  mapping.integer("started_at", domain.started_at, 0, most);
  mapping.integer("off_at", domain.off_at, 0, most);
  mapping.finish();
  domain.power = power == "running" ? PowerState::running : power == "crashed" ? PowerState::crashed : PowerState::off;
  if (domain.power == PowerState::running && domain.running_xml.empty()) domain.running_xml = domain.xml;
  return domain;
}

Network decode_network(const YamlNode& node, const std::string& path, Diagnostics& diagnostics) {
  Network network;
  MappingDecoder mapping(node, path, diagnostics);
  mapping.string("name", network.name);
  mapping.string("uuid", network.uuid);
  mapping.string("xml", network.xml);
  mapping.string("bridge", network.bridge);
  mapping.boolean("active", network.active);
  mapping.boolean("autostart", network.autostart);
  mapping.finish();
  return network;
}

}  // namespace

void decode_libvirt(MappingDecoder& document, Model& model, Diagnostics& diagnostics) {
  const YamlNode* node = document.node("libvirt");
  if (node == nullptr) return;
  MappingDecoder mapping(*node, "libvirt", diagnostics);
  mapping.boolean("reachable", model.libvirt_reachable);
  mapping.integer("storage_capacity_gib", model.storage_capacity_gib, 0, 1 << 24);
  mapping.integer("storage_free_gib", model.storage_free_gib, 0, 1 << 24);
  each_item(mapping, "pools", diagnostics, [&](const YamlNode& item, const std::string& where) {
    model.pools.push_back(decode_pool(item, where, diagnostics));
  });
  each_item(mapping, "networks", diagnostics, [&](const YamlNode& item, const std::string& where) {
    model.networks.push_back(decode_network(item, where, diagnostics));
  });
  each_item(mapping, "domains", diagnostics, [&](const YamlNode& item, const std::string& where) {
    model.domains.push_back(decode_domain(item, where, diagnostics));
  });
  mapping.finish();
}

}  // namespace gpuplan::sim
