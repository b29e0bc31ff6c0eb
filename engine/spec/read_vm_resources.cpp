#include <fmt/format.h>

#include "spec/sections.h"

namespace gpuplan {
namespace {

constexpr std::int64_t max_memory_mib = 16'777'216;  // 16 TiB
constexpr std::int64_t max_cpus = 1024;
constexpr std::int64_t min_disk_gib = 10;  // the image, container images and logs
constexpr std::int64_t max_disk_gib = 65'536;

// What one number may be, and how it is said.
struct Size {
  std::string_view key;
  std::string_view unit;
  std::int64_t least;
  std::int64_t most;
};

// The size in MiB of a text with a unit: 65536 for "64G", "64GB", "64 GiB". Nothing for other texts.
std::optional<std::int64_t> mib_of(std::string_view text) {
  constexpr std::int64_t most = 1'000'000;  // keeps the products small
  std::int64_t number = 0;
  std::size_t at = 0;
  for (; at < text.size() && text[at] >= '0' && text[at] <= '9' && number < most; ++at) {
    number = number * 10 + (text[at] - '0');
  }
  if (at == 0 || number >= most) return std::nullopt;
  while (at < text.size() && text[at] == ' ') ++at;
  const std::string_view unit = text.substr(at);
  if (unit.empty() || (unit.size() > 1 && unit != "MB" && unit != "MiB" && unit != "Mi" && unit != "GB" &&
                       unit != "GiB" && unit != "Gi" && unit != "TB" && unit != "TiB" && unit != "Ti")) {
    return std::nullopt;
  }
  switch (unit.front()) {
    case 'M':
      return number;
    case 'G':
      return number * 1024;
    case 'T':
      return number * 1024 * 1024;
    default:
      return std::nullopt;
  }
}

bool is_memory(const Size& size) { return size.unit == "MiB"; }

std::string_view whole_hint(const Size& size) {
  if (is_memory(size)) return "memory is in MiB";
  return size.unit == "GiB" ? "disk is in GiB" : "";
}

// What to do about a number outside of its limits.
std::string range_hint(const Size& size, std::int64_t value) {
  const bool looks_like_gib = is_memory(size) && value > 0 && value < size.least;
  if (looks_like_gib) return fmt::format("memory is in MiB: {} GiB are {}", value, value * 1024);
  return std::string(whole_hint(size));
}

// What to do about something that is no number.
std::string shape_hint(const Size& size, const YamlNode& node) {
  if (!node.is_plain() && !node.text().empty() && node.text().find_first_not_of("0123456789") == std::string::npos) {
    return "write it without quotes";
  }
  if (const auto mib = mib_of(node.text()); mib && size.unit != "CPUs") {
    return fmt::format("{}: write {}", whole_hint(size), is_memory(size) ? *mib : *mib / 1024);
  }
  return std::string(whole_hint(size));
}

void read_size(MappingDecoder& section, const Size& size, std::int64_t& target, Diagnostics& diagnostics) {
  const YamlNode* node = section.node(size.key);
  if (node == nullptr) return;
  const std::string what = section.path(size.key);
  Diagnostics ignored;
  const auto value = decode_int(*node, what, ignored);
  if (!value) {
    const std::string found = node->is_scalar() ? quote(node->text()) : std::string(describe(node->kind()));
    diagnostics.error(node->where(), fmt::format("{} must be a whole number of {}, not {}", what, size.unit, found),
                      shape_hint(size, *node));
  } else if (*value < size.least) {
    diagnostics.error(node->where(),
                      fmt::format("{}: {} {} are too few; {} is the least", what, *value, size.unit, size.least),
                      range_hint(size, *value));
  } else if (*value > size.most) {
    diagnostics.error(node->where(),
                      fmt::format("{}: {} {} are too many; {} is the most", what, *value, size.unit, size.most),
                      range_hint(size, *value));
  } else {
    target = *value;
  }
}

void read_sizes(MappingDecoder& section, std::int64_t least_memory, std::int64_t least_cpus, VmResources& target,
                Diagnostics& diagnostics) {
  read_size(section, {"memory", "MiB", least_memory, max_memory_mib}, target.memory_mib, diagnostics);
  read_size(section, {"cpus", "CPUs", least_cpus, max_cpus}, target.cpus, diagnostics);
  read_size(section, {"disk", "GiB", min_disk_gib, max_disk_gib}, target.disk_gib, diagnostics);
  section.choice("firmware", target.firmware, {"efi", "bios"});
}

void check_hugepages(MappingDecoder& section, const VmResources& resources, Diagnostics& diagnostics) {
  const std::int64_t page_mib = resources.hugepages == "1G" ? 1024 : resources.hugepages == "2M" ? 2 : 1;
  if (resources.memory_mib % page_mib == 0) return;
  const YamlNode* place = section.node("memory");
  if (place == nullptr) place = section.node("hugepages");
  if (place == nullptr) return;  // both inherited: said where they were written
  const std::int64_t rounded = (resources.memory_mib / page_mib + 1) * page_mib;
  diagnostics.error(place->where(),
                    fmt::format("{}: {} MiB cannot be made of hugepages of {}", section.path("memory"),
                                resources.memory_mib, resources.hugepages),
                    fmt::format("use a multiple of {}, for example {}", page_mib, rounded));
}

void read_worker(MappingDecoder& section, VmResources& target, Diagnostics& diagnostics) {
  read_sizes(section, 1024, 1, target, diagnostics);
  section.choice("hugepages", target.hugepages, {"none", "2M", "1G"});
  section.choice("numa", target.numa, {"auto", "none"});
  section.finish();
  check_hugepages(section, target, diagnostics);
}

void read_overrides(MappingDecoder& resources, MappingDecoder& document, Spec& spec, Diagnostics& diagnostics) {
  MappingDecoder workers = section(resources, "workers", diagnostics);
  check_worker_keys(workers, resources.node("workers"), document, diagnostics, "");
  for (WorkerSpec& worker : spec.workers) {
    if (workers.node(worker.key) == nullptr) continue;
    MappingDecoder own = section(workers, worker.key, diagnostics);
    if (own.valid()) read_worker(own, worker.resources, diagnostics);
  }
}

}  // namespace

void read_vm_resources(MappingDecoder& document, Spec& spec, Diagnostics& diagnostics) {
  MappingDecoder resources = section(document, "vm_resources", diagnostics);
  MappingDecoder control_plane = section(resources, "control_plane", diagnostics);
  spec.control_plane.resources.memory_mib = 8192;
  spec.control_plane.resources.cpus = 4;
  spec.control_plane.resources.disk_gib = 100;
  // kubeadm refuses a control plane with less than 1700 MB or 2 CPUs.
  read_sizes(control_plane, 2048, 2, spec.control_plane.resources, diagnostics);
  control_plane.finish();

  MappingDecoder worker = section(resources, "worker", diagnostics);
  VmResources defaults;
  defaults.memory_mib = 65536;
  defaults.cpus = 16;
  defaults.disk_gib = 500;
  read_worker(worker, defaults, diagnostics);
  for (WorkerSpec& each : spec.workers) each.resources = defaults;
  read_overrides(resources, document, spec, diagnostics);
  resources.finish();
}

}  // namespace gpuplan
