#include "host/sim/decode_device.h"

#include <fmt/format.h>

#include <charconv>
#include <sstream>

#include "host/pci/nvidia/smi.h"
#include "host/sim/model_yaml.h"
#include "yaml/decode.h"

namespace gpuplan::sim {
namespace {

std::optional<std::uint32_t> read_hex(std::string_view text, std::uint32_t most) {
  if (text.substr(0, 2) == "0x") text.remove_prefix(2);
  std::uint32_t value = 0;
  const auto end = std::from_chars(text.data(), text.data() + text.size(), value, 16);
  if (text.empty() || end.ec != std::errc{} || end.ptr != text.data() + text.size() || value > most) return std::nullopt;
  return value;
}

// Reads the text under `key`, if there is any, with `read`; a problem is described as "WHAT must be WANTED".
template <class Read, class Target>
void converted(MappingDecoder& mapping, std::string_view key, std::string_view wanted, Read read, Target& target,
               Diagnostics& diagnostics) {
  const YamlNode* node = mapping.node(key);
  if (node == nullptr) return;
  const auto text = decode_string(*node, mapping.path(key), diagnostics);
  if (!text) return;
  if (const auto value = read(*text)) {
    target = static_cast<Target>(*value);
  } else {
    diagnostics.error(node->where(), fmt::format("{} must be {}, not \"{}\"", mapping.path(key), wanted, *text));
  }
}

void decode_bars(MappingDecoder& mapping, Device& device, Diagnostics& diagnostics) {
  const YamlNode* node = mapping.node("bars");
  if (node == nullptr) return;
  if (!node->is_mapping()) {
    diagnostics.error(node->where(), fmt::format("{} must be a mapping from BAR numbers to their description",
                                                 mapping.path("bars")));
    return;
  }
  for (const YamlNode::Entry& entry : node->entries()) {
    const bool numbered = entry.key.size() == 1 && entry.key[0] >= '0' && entry.key[0] <= '5';
    const auto bar = numbered ? parse_bar(entry.key[0] - '0', entry.value.text()) : std::nullopt;
    if (bar) {
      device.bars.push_back(*bar);
      continue;
    }
    diagnostics.error(entry.key_where, fmt::format("{}: not a BAR: \"{}: {}\"", mapping.path("bars"), entry.key,
                                                   entry.value.text()),
                      "write NUMBER: SIZE [64bit] [prefetchable] [unassigned], such as 0: 16M 64bit prefetchable");
  }
}

void decode_numbers(MappingDecoder& mapping, Device& device) {
  std::int64_t numa = device.numa_node;
  std::int64_t group = -1;
  std::int64_t minor = device.minor;
  std::int64_t module = device.module_id;
  std::int64_t virtual_functions = 0;
  mapping.integer("numa_node", numa, -1, 63);
  mapping.integer("iommu_group", group, 0, 65535);
  mapping.integer("minor", minor, 0, 255);
  mapping.integer("module_id", module, 1, 64);
  mapping.integer("sriov_numvfs", virtual_functions, 0, 256);
  device.numa_node = static_cast<int>(numa);
  if (group >= 0) device.iommu_group = static_cast<int>(group);
  device.minor = static_cast<int>(minor);
  device.module_id = static_cast<int>(module);
  device.virtual_functions = static_cast<int>(virtual_functions);
}

}  // namespace

std::optional<PciId> read_pci_id(const std::string& text) {
  if (text.size() != 9 || text[4] != ':') return std::nullopt;
  const auto vendor = read_hex(text.substr(0, 4), 0xffff);
  const auto device = read_hex(text.substr(5), 0xffff);
  if (!vendor || !device) return std::nullopt;
  PciId id;
  id.vendor = static_cast<std::uint16_t>(*vendor);
  id.device = static_cast<std::uint16_t>(*device);
  return id;
}

std::optional<Bar> parse_bar(int index, const std::string& text) {
  Bar bar;
  bar.index = index;
  std::istringstream words(text);
  std::string word;
  if (!(words >> word)) return std::nullopt;
  const auto unit = word.back();
  const unsigned shift = unit == 'K' ? 10 : unit == 'M' ? 20 : unit == 'G' ? 30 : 0;
  const char* end = word.data() + word.size() - (shift == 0 ? 0 : 1);
  const auto number = std::from_chars(word.data(), end, bar.size);
  constexpr std::uint64_t most_bytes = 1ULL << 52U;  // no x86 processor has more physical address bits
  if (number.ec != std::errc{} || number.ptr != end || bar.size == 0 || bar.size > most_bytes >> shift) return std::nullopt;
  bar.size <<= shift;
  while (words >> word) {
    if (word == "64bit") bar.is_64_bit = true;
    else if (word == "prefetchable") bar.is_prefetchable = true;
    else if (word == "unassigned") bar.assigned = false;
    else return std::nullopt;
  }
  return bar;
}

Device decode_device(const YamlNode& node, const std::string& path, Diagnostics& diagnostics) {
  Device device;
  MappingDecoder mapping(node, path, diagnostics);
  if (!mapping.valid()) return device;
  if (mapping.node("address") == nullptr) {
    diagnostics.error(node.where(), fmt::format("{} has no address", path), "add address: \"0000:0a:00.0\"");
  }
  if (mapping.node("id") == nullptr) {
    diagnostics.error(node.where(), fmt::format("{} has no id", path), "add id: \"10de:2330\"");
  }
  converted(mapping, "address", "a PCI address such as 0000:0a:00.0", parse_bdf, device.address, diagnostics);
  converted(mapping, "id", "VENDOR:DEVICE such as 10de:2330", read_pci_id, device.id, diagnostics);
  if (mapping.node("behind") != nullptr) {
    device.behind.emplace();
    converted(mapping, "behind", "the PCI address of a bridge such as 0000:00:01.0", parse_bdf, *device.behind, diagnostics);
  }
  device.subsystem = device.id;
  converted(mapping, "subsystem", "VENDOR:DEVICE such as 10de:16c1", read_pci_id, device.subsystem, diagnostics);
  converted(mapping, "class", "a class code such as 0x030200",
            [](std::string_view text) { return read_hex(text, 0xffffff); }, device.class_code, diagnostics);
  converted(mapping, "revision", "a revision such as 0xa1",
            [](std::string_view text) { return read_hex(text, 0xff); }, device.revision, diagnostics);
  mapping.string("default_driver", device.default_driver);
  device.driver = device.default_driver;
  mapping.string("driver", device.driver);
  mapping.string("driver_override", device.driver_override);
  mapping.string("model", device.model);
  mapping.string_list("reset_methods", device.reset_methods);
  mapping.string_list("net", device.net);
  mapping.string_list("block", device.block);
  mapping.string_list("sound", device.sound);
  if (mapping.node("boot_vga") != nullptr) {
    bool boot = false;
    mapping.boolean("boot_vga", boot);
    device.boot_vga = boot;
  }
  decode_numbers(mapping, device);
  decode_bars(mapping, device, diagnostics);
  mapping.boolean("persistence", device.persistence);
  mapping.boolean("mig", device.mig);
  mapping.choice("fabric", device.fabric, {fabric_states.begin(), fabric_states.end()});
  mapping.boolean("unbind_lock", device.unbind_lock);
  device.may_sleep = device.driver == "vfio-pci";
  mapping.boolean("may_sleep", device.may_sleep);
  mapping.boolean("hangs", device.hangs);
  mapping.boolean("stuck", device.stuck);
  mapping.boolean("waits_for_release", device.waits_for_release);
  mapping.finish();
  return device;
}

}  // namespace gpuplan::sim
