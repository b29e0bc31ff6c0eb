#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <tuple>

#include "spec/sections.h"

namespace gpuplan {
namespace {

constexpr std::size_t max_gpus = 1024;

std::string place(const SourceLocation& where) { return fmt::format("line {}", where.line); }

// "10de:2330", either case.
std::optional<PciId> parse_pci_id(std::string_view text) {
  if (text.size() != 9 || text[4] != ':') return std::nullopt;
  std::array<std::uint16_t, 2> parts{};
  for (std::size_t part = 0; part < 2; ++part) {
    for (const char c : text.substr(part * 5, 4)) {
      unsigned digit = 0;
      if (c >= '0' && c <= '9')
        digit = static_cast<unsigned>(c - '0');
      else if (c >= 'a' && c <= 'f')
        digit = static_cast<unsigned>(c - 'a') + 10;
      else if (c >= 'A' && c <= 'F')
        digit = static_cast<unsigned>(c - 'A') + 10;
      else
        return std::nullopt;
      parts[part] = static_cast<std::uint16_t>(parts[part] * 16U + digit);
    }
  }
  return PciId{parts[0], parts[1]};
}

void read_device_ids(MappingDecoder& document, Spec& spec, Diagnostics& diagnostics) {
  const YamlNode* node = document.node("gpu_device_ids");
  if (node == nullptr) return;
  if (!node->is_sequence()) decode_string_list(*node, "gpu_device_ids", diagnostics);  // says what is wrong
  for (std::size_t i = 0; i < node->items().size(); ++i) {
    const YamlNode& item = node->items()[i];
    const auto text = decode_string(item, fmt::format("gpu_device_ids[{}]", i), diagnostics);
    if (!text) continue;
    const auto id = parse_pci_id(*text);
    if (!id) {
      diagnostics.error(item.where(),
                        fmt::format("gpu_device_ids[{}]: {} is not a PCI vendor and device id", i, quote(*text)),
                        "write VENDOR:DEVICE in hexadecimal, as `gpuplan discover` prints it: \"10de:2330\"");
    } else if (std::find(spec.gpu_device_ids.begin(), spec.gpu_device_ids.end(), *id) == spec.gpu_device_ids.end()) {
      spec.gpu_device_ids.push_back(*id);
    }
  }
}

// Reads the GPUs one by one and knows which function was listed where.
class GpuReader {
 public:
  GpuReader(Spec& spec, Diagnostics& diagnostics) : spec_(spec), diagnostics_(diagnostics) {}

  // Appends an entry in any case, so that indexes stay what the file's author counts.
  void read(const YamlNode& node, std::size_t index) {
    const std::string what = fmt::format("gpus[{}]", index);
    GpuSpec gpu;
    gpu.where = node.where();
    if (node.is_scalar() || node.is_sequence()) {
      const std::string found = node.is_scalar() ? quote(node.text()) : std::string(describe(node.kind()));
      const bool is_address = node.is_scalar() && parse_bdf(node.text());
      diagnostics_.error(node.where(), fmt::format("{} must be a mapping, not {}", what, found),
                         fmt::format("write - pci_address: {}", is_address ? found : "\"0000:0a:00.0\""));
    } else {
      read_entry(node, what, gpu);
    }
    spec_.gpus.push_back(gpu);
  }

 private:
  void read_entry(const YamlNode& node, const std::string& what, GpuSpec& gpu) {
    MappingDecoder entry(node, what, diagnostics_);
    if (!entry.valid()) return;
    const auto address = read_bdf(entry, "pci_address");
    if (const YamlNode* member = entry.node("pci_address")) {
      gpu.where = member->where();
    } else {
      diagnostics_.error(node.where(), fmt::format("{} has no pci_address", what),
                         "find the GPUs with `gpuplan discover`");
    }
    if (address) {
      gpu.address = *address;
      claim(*address, gpu.where, true);
    }
    gpu.audio = read_bdf(entry, "audio_address");
    if (address && gpu.audio) check_audio(gpu, entry.node("audio_address")->where());
    entry.finish();
  }

  std::optional<Bdf> read_bdf(MappingDecoder& entry, std::string_view key) {
    const YamlNode* node = entry.node(key);
    if (node == nullptr) return std::nullopt;
    const auto text = decode_string(*node, entry.path(key), diagnostics_);
    if (!text) return std::nullopt;
    const auto bdf = parse_bdf(*text);
    if (!bdf) {
      diagnostics_.error(node->where(), fmt::format("{}: {} is not a PCI address", entry.path(key), quote(*text)),
                         "write DOMAIN:BUS:DEVICE.FUNCTION in hexadecimal, as `gpuplan discover` prints it: \"0000:0a:00.0\"");
    }
    return bdf;
  }

  void check_audio(const GpuSpec& gpu, const SourceLocation& where) {
    if (!gpu.audio->same_slot(gpu.address)) {
      Bdf expected = gpu.address;
      expected.function = 1;
      diagnostics_.error(
          where,
          fmt::format("audio function {} is not in the slot of its GPU {}", gpu.audio->to_string(),
                      gpu.address.to_string()),
          fmt::format("its audio function would be {}; leave the key away if it has none", expected.to_string()));
      return;
    }
    claim(*gpu.audio, where, false);
  }

  void claim(const Bdf& function, const SourceLocation& where, bool is_gpu) {
    const auto [first, is_new] = functions_.emplace(function, where);
    if (!is_new) {
      diagnostics_.error(where,
                         fmt::format("{} is listed twice; first in {}", function.to_string(), place(first->second)),
                         "remove one of them");
      return;
    }
    if (!is_gpu) return;
    const std::tuple slot(function.domain, function.bus, function.device);
    const auto [other, slot_is_new] = slots_.emplace(slot, std::pair(function, where));
    if (slot_is_new) return;
    diagnostics_.error(where,
                       fmt::format("gpu {} is in the slot of gpu {} in {}", function.to_string(),
                                   other->second.first.to_string(), place(other->second.second)),
                       "list one of them: the functions of a slot travel together");
  }

  Spec& spec_;
  Diagnostics& diagnostics_;
  std::map<Bdf, SourceLocation> functions_;
  std::map<std::tuple<std::uint16_t, std::uint8_t, std::uint8_t>, std::pair<Bdf, SourceLocation>> slots_;
};

}  // namespace

void read_gpus(MappingDecoder& document, Spec& spec, Diagnostics& diagnostics) {
  read_device_ids(document, spec, diagnostics);
  const YamlNode* node = document.node("gpus");
  if (node == nullptr) return;
  if (node->is_scalar() && node->text() == "auto") {
    spec.gpus_auto = true;
    return;
  }
  if (!node->is_sequence()) {
    const std::string found = node->is_scalar() ? quote(node->text()) : std::string(describe(node->kind()));
    diagnostics.error(node->where(), fmt::format("gpus must be a list or auto, not {}", found),
                      "write one entry for each GPU: - pci_address: \"0000:0a:00.0\"");
    return;
  }
  if (node->items().size() > max_gpus) {
    diagnostics.error(node->where(),
                      fmt::format("gpus has {} entries; {} is the most", node->items().size(), max_gpus),
                      "check that this is the file you meant");
    return;
  }
  GpuReader reader(spec, diagnostics);
  for (std::size_t i = 0; i < node->items().size(); ++i) reader.read(node->items()[i], i);
}

}  // namespace gpuplan
