#include <fmt/format.h>

#include <charconv>
#include <limits>
#include <map>

#include "host/xml/domain_xml.h"
#include "host/xml/owner_xml.h"

namespace gpuplan {
namespace {

constexpr std::string_view window_key = "name=opt/ovmf/X-PciMmio64Mb,string=";

// Bytes in one of libvirt's units (https://libvirt.org/formatdomain.html#memory-allocation); KiB without one.
std::int64_t unit_bytes(std::string_view unit) {
  static const std::map<std::string_view, std::int64_t> units{
      {"b", 1},           {"bytes", 1},         {"", 1LL << 10},    {"k", 1LL << 10},   {"KiB", 1LL << 10},
      {"KB", 1000},       {"M", 1LL << 20},     {"MiB", 1LL << 20}, {"MB", 1000'000},   {"G", 1LL << 30},
      {"GiB", 1LL << 30}, {"GB", 1000'000'000}, {"T", 1LL << 40},   {"TiB", 1LL << 40}, {"TB", 1000'000'000'000}};
  const auto found = units.find(unit);
  return found == units.end() ? 0 : found->second;
}

std::int64_t memory_mib(pugi::xml_node node) {
  constexpr std::int64_t mib = 1LL << 20;
  const std::int64_t count = node.text().as_llong();
  const std::int64_t unit = unit_bytes(node.attribute("unit").value());
  if (count <= 0 || unit <= 0) return 0;
  if (unit < mib) return count / (mib / unit);
  return count <= std::numeric_limits<std::int64_t>::max() / unit ? count * (unit / mib) : 0;  // no machine has that
}

std::string read_hugepages(pugi::xml_node domain) {
  const pugi::xml_node hugepages = domain.child("memoryBacking").child("hugepages");
  if (!hugepages) return "none";
  const pugi::xml_node page = hugepages.child("page");
  const std::int64_t unit = unit_bytes(page.attribute("unit").value());
  constexpr std::int64_t gib = 1LL << 30;
  return unit > 0 && gib % unit == 0 && page.attribute("size").as_llong() == gib / unit ? "1G" : "2M";
}

std::optional<unsigned> number(const char* text, unsigned most) {
  std::string_view digits = text;
  int base = 10;
  if (digits.substr(0, 2) == "0x") {
    digits.remove_prefix(2);
    base = 16;
  }
  unsigned value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value, base);
  if (error != std::errc{} || end != digits.data() + digits.size() || value > most) return std::nullopt;
  return value;
}

std::optional<Bdf> read_address(pugi::xml_node address) {
  const auto domain = number(address.attribute("domain").as_string("0x0000"), 0xffff);
  const auto bus = number(address.attribute("bus").value(), 0xff);
  const auto slot = number(address.attribute("slot").value(), 0x1f);
  const auto function = number(address.attribute("function").value(), 7);
  if (!domain || !bus || !slot || !function) return std::nullopt;
  return Bdf{static_cast<std::uint16_t>(*domain), static_cast<std::uint8_t>(*bus), static_cast<std::uint8_t>(*slot),
             static_cast<std::uint8_t>(*function)};
}

void read_devices(pugi::xml_node devices, DomainDefinition& definition) {
  for (const pugi::xml_node disk : devices.children("disk")) {
    DomainDisk read;
    read.path = disk.child("source").attribute("file").value();
    read.format = disk.child("driver").attribute("type").as_string("raw");
    read.target = disk.child("target").attribute("dev").value();
    read.read_only = disk.child("readonly") || std::string_view(disk.attribute("device").value()) == "cdrom";
    definition.disks.push_back(std::move(read));
  }
  if (const pugi::xml_node interface = devices.child("interface")) {
    const std::string_view type = interface.attribute("type").value();
    if (type == "network") definition.network = interface.child("source").attribute("network").value();
    if (type == "bridge") definition.bridge = interface.child("source").attribute("bridge").value();
    definition.mac = interface.child("mac").attribute("address").value();
  }
  for (const pugi::xml_node hostdev : devices.children("hostdev")) {
    if (std::string_view(hostdev.attribute("type").value()) != "pci") continue;
    const auto address = read_address(hostdev.child("source").child("address"));
    if (!address) continue;
    definition.devices.push_back(*address);
    const auto in_guest = read_address(hostdev.child("address"));
    if (in_guest && in_guest->domain == 0 && in_guest->device == 0) definition.guest_buses.push_back({*address, in_guest->bus});
  }
  definition.console_log = devices.child("serial").child("log").attribute("file").value();
}

std::int64_t read_mmio_window(pugi::xml_node domain) {
  for (const pugi::xml_node argument : domain.child("qemu:commandline").children("qemu:arg")) {
    const std::string_view value = argument.attribute("value").value();
    if (value.substr(0, window_key.size()) != window_key) continue;
    std::int64_t mib = 0;
    std::from_chars(value.data() + window_key.size(), value.data() + value.size(), mib);
    return mib;
  }
  return 0;
}

// The firmware is EFI if libvirt was asked for it, or if it completed the request with a flash image.
std::string read_firmware(pugi::xml_node os) {
  if (std::string_view(os.attribute("firmware").value()) == "efi") return "efi";
  return std::string_view(os.child("loader").attribute("type").value()) == "pflash" ? "efi" : "bios";
}

}  // namespace

std::optional<DomainDefinition> parse_domain(std::string_view xml) {
  pugi::xml_document document;
  if (!document.load_buffer(xml.data(), xml.size())) return std::nullopt;
  const pugi::xml_node domain = document.child("domain");
  if (!domain) return std::nullopt;

  DomainDefinition definition;
  definition.name = domain.child_value("name");
  definition.uuid = domain.child_value("uuid");
  definition.owner = xml::read_owner(domain);
  definition.node_address = xml::find_owner(domain).attribute("address").value();
  definition.type = domain.attribute("type").value();
  definition.memory_mib = memory_mib(domain.child("memory"));
  definition.cpus = domain.child("vcpu").text().as_llong();
  definition.cpu_list = domain.child("vcpu").attribute("cpuset").value();
  definition.firmware = read_firmware(domain.child("os"));
  definition.hugepages = read_hugepages(domain);
  definition.locked_memory = !domain.child("memoryBacking").child("locked").empty();
  if (const auto node = domain.child("numatune").child("memory").attribute("nodeset")) {
    if (const auto value = number(node.value(), 1023)) definition.numa_node = static_cast<int>(*value);
  }
  if (const auto bits = domain.child("cpu").child("maxphysaddr").attribute("bits")) {
    definition.physical_address_bits = bits.as_int();
  }
  definition.mmio64_window_mib = read_mmio_window(domain);
  read_devices(domain.child("devices"), definition);
  return definition;
}

}  // namespace gpuplan
