#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdio>

#include "spec/sections.h"
#include "spec/supported_versions.h"

namespace gpuplan {
namespace {

// A range of the spec and where to point when it is wrong.
struct NamedRange {
  std::string what;
  std::optional<Ipv4Range> range;
  std::optional<SourceLocation> where;  // nothing for a default
};

// The network that a CIDR with host bits would belong to: "10.0.0.0/24" for "10.0.0.1/24".
std::optional<Ipv4Range> without_host_bits(std::string_view text) {
  const std::size_t slash = text.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  const auto address = parse_ipv4(text.substr(0, slash));
  const auto zero = parse_ipv4_range(fmt::format("0.0.0.0{}", text.substr(slash)));
  if (!address || !zero) return std::nullopt;
  return Ipv4Range{*address & ~zero->last(), zero->prefix};
}

NamedRange read_range(MappingDecoder& section, std::string_view key, std::string& target, int least, int most,
                      Diagnostics& diagnostics) {
  NamedRange named{section.path(key), std::nullopt, std::nullopt};
  section.string(key, target);
  const YamlNode* node = section.node(key);
  if (node != nullptr) named.where = node->where();
  if (node != nullptr && !node->is_scalar()) return named;
  const auto range = parse_ipv4_range(target);
  if (!range) {
    const auto meant = without_host_bits(target);
    diagnostics.error(*named.where, fmt::format("{}: {} is not an IPv4 network", named.what, quote(target)),
                      meant ? fmt::format("did you mean {}?", meant->to_string())
                            : "write ADDRESS/BITS, for example 192.168.130.0/24");
  } else if (range->prefix < least || range->prefix > most) {
    diagnostics.error(*named.where,
                      fmt::format("{}: /{} does not fit; /{} to /{} do", named.what, range->prefix, least, most),
                      range->prefix < least ? "choose a smaller range" : "choose a wider range");
  } else {
    named.range = range;
  }
  return named;
}

void check_overlaps(const std::array<NamedRange, 3>& ranges, const SourceLocation& document,
                    Diagnostics& diagnostics) {
  for (std::size_t i = 0; i < ranges.size(); ++i) {
    for (std::size_t k = i + 1; k < ranges.size(); ++k) {
      const NamedRange& first = ranges[i];
      const NamedRange& second = ranges[k];
      if (!first.range || !second.range || !first.range->overlaps(*second.range)) continue;
      const auto where = second.where ? second.where : first.where;
      diagnostics.error(where.value_or(document),
                        fmt::format("{} {} overlaps {} {}", second.what, second.range->to_string(), first.what,
                                    first.range->to_string()),
                        "choose ranges that have no address in common");
    }
  }
}

void check_name(MappingDecoder& network, std::string_view key, std::size_t most, std::string_view example,
                Diagnostics& diagnostics) {
  const YamlNode* node = network.node(key);
  if (node == nullptr || !node->is_scalar()) return;
  const std::string& text = node->text();
  if (consists_of(text, "-_.") && text.front() != '-' && text != "." && text != ".." && text.size() <= most) return;
  diagnostics.error(node->where(),
                    fmt::format("{} must be a name of at most {} letters, digits, '-', '_' and '.', not {}",
                                network.path(key), most, quote(text)),
                    fmt::format("for example {}", example));
}

void read_mode(MappingDecoder& network, Spec& spec, Diagnostics& diagnostics) {
  constexpr std::size_t max_name = 50;
  constexpr std::size_t max_interface_name = 15;  // IFNAMSIZ - 1
  network.string("name", spec.network.name);
  check_name(network, "name", max_name, NetworkSpec().name, diagnostics);
  network.choice("mode", spec.network.mode, {"nat", "bridge"});
  network.string("bridge", spec.network.bridge);
  check_name(network, "bridge", max_interface_name, "br0", diagnostics);
  const YamlNode* mode = network.node("mode");
  const YamlNode* bridge = network.node("bridge");
  if (spec.network.mode == "bridge" && bridge == nullptr) {
    diagnostics.error(mode->where(), "network.mode is bridge, but network.bridge is not set",
                      "name the host's bridge: bridge: br0");
  } else if (spec.network.mode == "nat" && bridge != nullptr && (mode == nullptr || mode->text() == "nat")) {
    diagnostics.error(bridge->where(), "network.bridge is only for network.mode: bridge",
                      "set mode: bridge, or remove the key");
  }
}

// An address that no VM may have: the host's own in its network, or the router of the one that a bridge leads to.
void read_gateway(MappingDecoder& network, const std::optional<Ipv4Range>& known, Spec& spec, Diagnostics& diagnostics) {
  const Ipv4Range range = known.value_or(Ipv4Range{});
  spec.network.gateway = format_ipv4(range.base + 1);
  network.string("gateway", spec.network.gateway);
  const YamlNode* node = network.node("gateway");
  if (node == nullptr || !node->is_scalar()) return;
  const auto address = parse_ipv4(spec.network.gateway);
  if (spec.network.mode != "bridge") {
    diagnostics.error(node->where(), "network.gateway is only for network.mode: bridge",
                      "remove the key: a network of mode nat has its first address as gateway");
  } else if (!address) {
    diagnostics.error(node->where(), fmt::format("network.gateway: {} is not an IPv4 address", quote(spec.network.gateway)),
                      "write four numbers from 0 to 255 with dots between them");
  } else if (known && (!range.contains(*address) || *address == range.base || *address == range.last())) {
    diagnostics.error(node->where(), fmt::format("network.gateway: {} is no address of {}", quote(spec.network.gateway), range.to_string()),
                      "write the router's address in the network, for example " + format_ipv4(range.base + 1));
  }
}

void read_name_servers(MappingDecoder& network, Spec& spec, Diagnostics& diagnostics) {
  constexpr std::size_t most = 3;  // that a resolver asks: resolv.conf(5), MAXNS
  spec.network.name_servers.clear();
  network.string_list("name_servers", spec.network.name_servers);
  const YamlNode* node = network.node("name_servers");
  if (spec.network.name_servers.size() > most)
    diagnostics.error(node->where(), "network.name_servers has more than three addresses", "a resolver asks three at most: remove some");
  for (std::size_t i = 0; i < spec.network.name_servers.size(); ++i) {
    const std::string& server = spec.network.name_servers[i];
    if (parse_ipv4(server)) continue;
    diagnostics.error(node->items()[i].where(), fmt::format("network.name_servers[{}]: {} is not an IPv4 address", i, quote(server)),
                      "write four numbers from 0 to 255 with dots between them");
  }
  if (spec.network.name_servers.empty()) spec.network.name_servers = {spec.network.gateway};
}

// What kubeadm of older versions takes is written by nothing here. The value is X.Y or X.Y.Z.
void refuse_old_version(const YamlNode& node, const std::string& version, Diagnostics& diagnostics) {
  int major = 0, minor = 0;
  std::sscanf(version.c_str(), "%4d.%4d", &major, &minor);
  if (major > 1 || (major == 1 && minor >= oldest_kubernetes_minor)) return;
  diagnostics.error(node.where(),
                    fmt::format("kubernetes.version {} is older than 1.{}, the oldest that gpuplan sets up", version,
                                oldest_kubernetes_minor),
                    "write a newer one, for example \"1.34\"; docs/versions.md has those that go together");
}

void read_version(MappingDecoder& kubernetes, std::string& version, Diagnostics& diagnostics) {
  kubernetes.string("version", version);
  const YamlNode* node = kubernetes.node("version");
  if (node == nullptr || !node->is_scalar()) return;
  std::size_t parts = 0;
  std::string_view rest = version;
  bool good = true;
  while (good) {
    const std::size_t dot = std::min(rest.find('.'), rest.size());
    const std::string_view part = rest.substr(0, dot);
    good = !part.empty() && part.size() <= 4 && part.find_first_not_of("0123456789") == std::string_view::npos &&
           (part.size() == 1 || part.front() != '0');
    ++parts;
    if (dot == rest.size()) break;
    rest.remove_prefix(dot + 1);
  }
  if (good && (parts == 2 || parts == 3)) {
    refuse_old_version(*node, version, diagnostics);
    return;
  }
  diagnostics.error(node->where(), fmt::format("kubernetes.version must be X.Y or X.Y.Z, not {}", quote(version)),
                    version.substr(0, 1) == "v" ? "leave the v away" : "for example \"1.34\" or \"1.34.2\"");
}

// A network of mode nat lets its VMs out, and nobody else in.
void warn_of_unreachable_vms(const Spec& spec, Diagnostics& diagnostics) {
  const bool control_plane_is_machine = spec.control_plane.machine.has_value();
  std::string machine = control_plane_is_machine ? "control-plane" : "";
  bool has_vms = spec.kubernetes.enabled && !control_plane_is_machine;
  for (const WorkerSpec& worker : spec.workers) {
    if (worker.machine && machine.empty()) machine = worker.key;
    if (!worker.machine) has_vms = true;
  }
  if (machine.empty() || !has_vms || spec.network.mode != "nat") return;
  diagnostics.warning(locate(spec, fmt::format("nodes.{}.ssh", machine)),
                      fmt::format("{} is a machine, and the VMs are in a network of mode nat, which nobody outside this server can reach",
                                  machine),
                      "set network.mode: bridge, unless the machine is in that network, too");
}

}  // namespace

void read_networks(MappingDecoder& document, Spec& spec, Diagnostics& diagnostics) {
  MappingDecoder network = section(document, "network", diagnostics);
  read_mode(network, spec, diagnostics);
  const NamedRange vms = read_range(network, "cidr", spec.network.cidr, 8, 29, diagnostics);
  read_gateway(network, vms.range, spec, diagnostics);
  read_name_servers(network, spec, diagnostics);

  MappingDecoder kubernetes = section(document, "kubernetes", diagnostics);
  kubernetes.boolean("enabled", spec.kubernetes.enabled);
  read_version(kubernetes, spec.kubernetes.version, diagnostics);
  // Each node gets a /24 of the pods' range; the API server takes at most 2^20 service addresses.
  const NamedRange pods = read_range(kubernetes, "pod_cidr", spec.kubernetes.pod_cidr, 8, 24, diagnostics);
  const NamedRange services =
      read_range(kubernetes, "service_cidr", spec.kubernetes.service_cidr, 12, 28, diagnostics);
  kubernetes.choice("cni", spec.kubernetes.cni, {"calico", "flannel", "none"});
  kubernetes.finish();

  check_overlaps({vms, pods, services}, {spec.file, 1, 1, 1}, diagnostics);
  MappingDecoder addresses = section(network, "addresses", diagnostics);
  check_worker_keys(addresses, network.node("addresses"), document, diagnostics, "control-plane");
  if (vms.range && addresses.valid()) assign_addresses(addresses, *vms.range, vms.where, spec, diagnostics);
  network.finish();
  warn_of_unreachable_vms(spec, diagnostics);
}

}  // namespace gpuplan
