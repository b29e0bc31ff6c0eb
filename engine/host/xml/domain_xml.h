// libvirt's XML documents as values. The only user of pugixml.
// Source: https://libvirt.org/formatdomain.html, formatnetwork.html.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "spec/bdf.h"

namespace gpuplan {

// Who made an object, kept in its <metadata> under the namespace below. Something without an owner,
// or with another one, is never changed or removed.
inline constexpr std::string_view owner_namespace = "https://gpuplan.dev/owner/1";
struct OwnerMark {
  std::string cluster;
  bool operator==(const OwnerMark&) const = default;
};

struct DomainDisk {
  std::string path;
  std::string format;   // qcow2 | raw
  std::string target;   // "vda"
  bool read_only = false;  // a cloud-init seed
};

// The bus on which the guest has a passed-through slot.
struct GuestBus {
  Bdf slot;
  int bus = 0;
};

struct DomainDefinition {
  std::string name;
  std::string uuid;                  // empty: the hypervisor chooses
  OwnerMark owner;                   // cluster empty: no mark
  std::string type = "kvm";          // kvm | qemu
  std::int64_t memory_mib = 0;
  std::int64_t cpus = 0;
  std::string firmware = "efi";      // efi | bios
  std::string hugepages = "none";    // none | 2M | 1G
  std::optional<int> numa_node;      // memory and processors from this node
  std::string cpu_list;              // of that node, for vcpu placement: "0-23,96-119"; empty: any
  std::optional<int> physical_address_bits;  // emitted as <maxphysaddr mode='emulate' bits=…>
  std::int64_t mmio64_window_mib = 0;  // firmware's 64-bit MMIO window; 0: not needed
  std::vector<DomainDisk> disks;
  std::string network;               // libvirt network; empty if bridge is used
  std::string bridge;
  std::string mac;                   // "52:54:00:…"
  std::vector<Bdf> devices;          // passed through, managed='no', one root port per slot
  std::vector<GuestBus> guest_buses;   // of devices whose place is known; the others get the lowest free numbers, in order
  std::string console_log;           // path of the serial console's log; empty: none
  bool locked_memory = false;
  std::string node_address;          // IPv4 that the seed gives the guest; kept in the metadata, empty: none
};

// A complete domain document: q35, firmware, CPU, one pcie-root-port per passed-through slot, the
// window through qemu:commandline fw_cfg, guest agent channel, console with log, no balloon. Equal
// definitions render equal text; PCI addresses depend on `guest_buses` and the order of `devices` only. Thread-safe.
std::string render_domain(const DomainDefinition& definition);
// Reads what render_domain wrote, also after libvirt completed it. Nothing if it is not a domain document.
// Of a domain that others wrote it finds what is there: name, owner, sizes, disks, network, devices. Thread-safe.
std::optional<DomainDefinition> parse_domain(std::string_view xml);

struct NetworkReservation {
  std::string mac;
  std::string name;
  std::string address;
};

struct NetworkDefinition {
  std::string name;
  std::string uuid;
  OwnerMark owner;
  std::string mode = "nat";
  std::string address;   // of the host in it: "192.168.130.1"
  std::string netmask;
  std::vector<NetworkReservation> reservations;
};

// Network of mode nat, isolated or route with one IPv4 range; no DHCP unless there are reservations. Thread-safe.
std::string render_network(const NetworkDefinition& definition);
// Any libvirt network document: its first IPv4 range. The mode is libvirt's (<forward mode=…>), "isolated" without
// one; address and netmask are empty without a range. Nothing if it is not a network document. Thread-safe.
std::optional<NetworkDefinition> parse_network(std::string_view xml);

}  // namespace gpuplan
